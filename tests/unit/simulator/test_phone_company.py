"""The phone company as an account and its people see it, with a server that is a small fake."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.phone_company.application import application
from simulator.phone_company.exchange import Exchange, verification_code
from simulator.phone_company.numbers import is_e164, segments
from simulator.phone_company.records import Account
from simulator.phone_company.signature import sign
from simulator.phone_company.twiml import Gather, Pause, Redirect, Say, TwimlError, read_twiml

NOW = datetime(2026, 8, 1, 9, 30, tzinfo=UTC)
ACCOUNT = Account("AC0001", "token", "+15005550006")
BOB = "+15005550101"
BASE = "http://phone/2010-04-01/Accounts/AC0001"


class Server:
    """The account's server: keeps every signed POST and answers TwiML."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str]]] = []
        self.twiml: dict[str, str] = {}
        self.app = Starlette(routes=[Route("/{path:path}", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        fields = parse_qsl((await request.body()).decode(), keep_blank_values=True)
        assert request.headers["x-twilio-signature"] == sign("token", str(request.url), fields)
        self.posts.append((request.url.path, dict(fields)))
        return Response(self.twiml.get(request.url.path, ""), media_type="application/xml")

    def at(self, path: str) -> list[dict[str, str]]:
        return [fields for posted, fields in self.posts if posted == path]


class Town:
    """Server, exchange and a client of its interface."""

    def __init__(self) -> None:
        numbers = count(1)
        self.server = Server()
        self.exchange = Exchange(
            ACCOUNT,
            httpx.AsyncClient(transport=httpx.ASGITransport(self.server.app)),
            clock=lambda: NOW,
            identifier=lambda kind: f"{kind}{next(numbers):032x}",
            inbound_url="http://server/sms",
        )
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(application(self.exchange)),
            base_url="http://phone",
            auth=("AC0001", "token"),
        )

    async def message(self, body: str, to: str = BOB, **more: str) -> httpx.Response:
        data = {"To": to, "From": ACCOUNT.number, "Body": body} | more
        answer = await self.client.post(f"{BASE}/Messages.json", data=data)
        await self.exchange.settle()
        return answer

    async def call(self, **fields: str) -> dict[str, Any]:
        data = {"To": BOB, "From": ACCOUNT.number} | fields
        answer = await self.client.post(f"{BASE}/Calls.json", data=data)
        assert answer.status_code == 201, answer.text
        result: dict[str, Any] = answer.json()
        return result

    async def act(self, sid: str, act: str, **body: str) -> httpx.Response:
        return await self.client.post(f"/phones/{BOB}/calls/{sid}/{act}", json=body)

    async def reach(self, sid: str, condition: str) -> dict[str, Any]:
        """Poll the call's handset view, without a clock, until `condition` holds."""
        for _ in range(500):
            await asyncio.sleep(0)
            phone = (await self.client.get(f"/phones/{BOB}")).json()
            for call in phone.get("calls", []):
                if call["sid"] == sid and (call["status"] == condition or call.get(condition)):
                    found: dict[str, Any] = call
                    return found
        raise AssertionError(f"the call never became {condition}")


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    made = Town()
    yield made
    await made.exchange.close()


@pytest.mark.parametrize(
    ("number", "signature"),
    [
        ("+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("+12349013030", "0/KCTR6DLpKmkAf8muzZqo1nDgQ="),
    ],
)
def test_the_signatures_of_twilios_own_documentation(number: str, signature: str) -> None:
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": number,
        "Digits": "1234",
        "From": number,
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert sign("12345", url, fields.items()) == signature
    assert sign("12346", url, fields.items()) != signature


async def test_a_message_is_accepted_delivered_and_reported(town: Town) -> None:
    answer = await town.message("hello", StatusCallback="http://server/status")
    assert answer.status_code == 201
    body = answer.json()
    assert body["status"] == "queued"
    assert body["sid"].startswith("SM")
    assert body["num_segments"] == "1"
    assert [p["MessageStatus"] for p in town.server.at("/status")] == ["sent", "delivered"]
    phone = (await town.client.get(f"/phones/{BOB}")).json()
    assert [m["body"] for m in phone["messages"]] == ["hello"]
    read = (await town.client.get(f"{BASE}/Messages/{body['sid']}.json")).json()
    assert read["status"] == "delivered"
    assert read["date_sent"] == "Sat, 01 Aug 2026 09:30:00 +0000"


async def test_messages_are_found_by_recipient_and_time(town: Town) -> None:
    await town.message("one")
    await town.message("two", to="+15005550102")

    async def find(**params: str) -> list[str]:
        answer = await town.client.get(f"{BASE}/Messages.json", params=params)
        return [m["body"] for m in answer.json()["messages"]]

    assert await find(To=BOB) == ["one"]
    assert await find(**{"To": BOB, "DateSent>": "2026-08-01T09:00:00Z"}) == ["one"]
    assert await find(**{"To": BOB, "DateSent>": "2026-08-01T10:00:00Z"}) == []
    assert await find(**{"DateSent<": "2026-08-01T09:00:00Z"}) == []
    assert await find(PageSize="1", Page="1") != []
    listing = await town.client.get(f"{BASE}/Messages.json?To=%2B15005550101&DateSent>=2026-08-01")
    assert [m["body"] for m in listing.json()["messages"]] == ["one"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"To": "12"}, 400, 21211),
        ({"From": "me"}, 400, 21212),
        ({"From": "+15005550007"}, 400, 21606),
        ({"Body": ""}, 400, 21602),
    ],
)
async def test_a_bad_message_is_refused_as_twilio_does(
    town: Town, change: dict[str, str], status: int, code: int
) -> None:
    data = {"To": BOB, "From": ACCOUNT.number, "Body": "x"} | change
    answer = await town.client.post(f"{BASE}/Messages.json", data=data)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert town.exchange.messages == {}


@pytest.mark.parametrize("auth", [("AC0001", "wrong"), ("AC0002", "token"), ("", "")])
async def test_a_wrong_account_is_refused(town: Town, auth: tuple[str, str]) -> None:
    answer = await town.client.get(f"{BASE}/Messages.json", auth=auth)
    assert answer.status_code == 401
    assert answer.json()["code"] == 20003


async def test_a_phone_answers_a_verification_with_its_code_and_an_alert_not(town: Town) -> None:
    await town.client.put(f"/phones/{BOB}", json={"name": "Bob", "auto_verify": True})
    await town.message("Reply K7PQ to get alerts about the person you care for.")
    await town.message("ALERT 7Q2K: go NOW. Reply 7Q2Kh when there, 7Q2Ky coming.")
    assert [p["Body"] for p in town.server.at("/sms")] == ["K7PQ"]
    assert town.server.at("/sms")[0]["From"] == BOB


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("Reply ABCD to get alerts. STOP ends.", "ABCD"),
        ("Responda X9Y8Z para recibir avisos.", "X9Y8Z"),
        ("ALERT 7Q2K: Reply 7Q2Kh to say you are there", None),
        ("hello", None),
    ],
)
def test_verification_codes(body: str, code: str | None) -> None:
    assert verification_code(body) == code


async def test_a_person_sends_a_message_and_the_servers_answer_comes_back(town: Town) -> None:
    town.server.twiml["/sms"] = "<Response><Message>Thank you.</Message></Response>"
    await town.message("first")
    answer = await town.client.post(f"/phones/{BOB}/messages", json={"body": "7Q2Kh"})
    await town.exchange.settle()
    assert answer.status_code == 201
    assert town.server.at("/sms")[0]["Body"] == "7Q2Kh"
    phone = (await town.client.get(f"/phones/{BOB}")).json()
    assert [(m["incoming"], m["body"]) for m in phone["messages"]] == [
        (True, "first"),
        (False, "7Q2Kh"),
        (True, "Thank you."),
    ]


async def test_stop_blocks_further_messages_until_start(town: Town) -> None:
    await town.message("first")
    await town.client.post(f"/phones/{BOB}/messages", json={"body": "stop"})
    refused = await town.message("second")
    assert (refused.status_code, refused.json()["code"]) == (400, 21610)
    await town.client.post(f"/phones/{BOB}/messages", json={"body": "START"})
    assert (await town.message("third")).status_code == 201


async def test_an_unreachable_phone_gets_nothing_and_says_so(town: Town) -> None:
    await town.client.put(f"/phones/{BOB}", json={"reachable": False})
    await town.message("x", StatusCallback="http://server/status")
    last = town.server.at("/status")[-1]
    assert (last["MessageStatus"], last["ErrorCode"]) == ("undelivered", "30003")


async def test_faults(town: Town) -> None:
    async def fault(**switches: Any) -> None:
        assert (await town.client.put("/faults", json=switches)).status_code == 200

    await fault(refuse_429=1)
    assert [(await town.message("a")).status_code for _ in range(2)] == [429, 201]
    await fault(error_after_accept=1)
    assert (await town.message("accepted")).status_code == 500
    listed = (await town.client.get(f"{BASE}/Messages.json")).json()["messages"]
    assert "accepted" in [m["body"] for m in listed]
    await fault(drop_accepted=1)
    assert (await town.message("dropped", StatusCallback="http://server/s")).status_code == 201
    assert town.server.at("/s") == []
    await fault(duplicate_receipts=True, reorder_receipts=True)
    await town.message("twice", StatusCallback="http://server/s")
    assert [p["MessageStatus"] for p in town.server.at("/s")] == [
        "delivered",
        "delivered",
        "sent",
        "sent",
    ]
    await fault(offline=True)
    assert (await town.message("x")).status_code == 503
    assert (await town.client.put("/faults", json={"earthquake": 1})).status_code == 400


async def test_a_call_is_answered_spoken_and_digits_come_back(town: Town) -> None:
    town.server.twiml["/voice"] = (
        '<Response><Gather numDigits="1" timeout="30" action="/keys?x=1"><Say>Press 1</Say>'
        "</Gather><Say>Nobody</Say></Response>"
    )
    town.server.twiml["/keys"] = "<Response><Say>Thank you</Say><Hangup/></Response>"
    call = await town.call(
        Url="http://server/voice",
        StatusCallback="http://server/calls",
        StatusCallbackEvent="initiated ringing answered completed",
    )
    assert call["status"] == "queued"
    await town.reach(call["sid"], "ringing")
    assert (await town.act(call["sid"], "digits", digits="1")).status_code == 409
    assert (await town.act(call["sid"], "answer")).status_code == 200
    await town.reach(call["sid"], "listening")
    assert (await town.act(call["sid"], "digits", digits="1")).status_code == 200
    done = await town.reach(call["sid"], "completed")
    await town.exchange.settle()
    assert done["said"] == ["Press 1", "Thank you"]
    keys = town.server.at("/keys")[0]
    assert (keys["Digits"], keys["CallSid"], keys["To"]) == ("1", call["sid"], BOB)
    statuses = [p["CallStatus"] for p in town.server.at("/calls")]
    assert statuses == ["initiated", "ringing", "in-progress", "completed"]
    read = (await town.client.get(f"{BASE}/Calls/{call['sid']}.json")).json()
    assert read["status"] == "completed"


async def test_a_call_nobody_answers_and_one_that_is_refused(town: Town) -> None:
    unanswered = await town.call(
        Twiml="<Response/>", Timeout="0", StatusCallback="http://server/calls"
    )
    await town.reach(unanswered["sid"], "no-answer")
    refused = await town.call(Twiml="<Response/>", StatusCallback="http://server/calls")
    await town.reach(refused["sid"], "ringing")
    assert (await town.act(refused["sid"], "hangup")).status_code == 200
    await town.reach(refused["sid"], "busy")
    await town.exchange.settle()
    assert [p["CallStatus"] for p in town.server.at("/calls")] == ["no-answer", "busy"]


async def test_a_phone_that_picks_up_by_itself_hears_the_twiml_of_the_order(town: Town) -> None:
    await town.client.put(f"/phones/{BOB}", json={"answer_after_s": 0})
    call = await town.call(Twiml="<Response><Say>Go\n now</Say></Response>")
    assert (await town.reach(call["sid"], "completed"))["said"] == ["Go now"]


async def test_a_call_without_a_usable_document_is_refused_or_fails(town: Town) -> None:
    data = {"To": BOB, "From": ACCOUNT.number, "Url": "nonsense"}
    answer = await town.client.post(f"{BASE}/Calls.json", data=data)
    assert answer.json()["code"] == 21205
    await town.client.put(f"/phones/{BOB}", json={"answer_after_s": 0})
    call = await town.call(Twiml="<Oops/>")
    await town.reach(call["sid"], "failed")


async def test_events_are_numbered_and_read_on(town: Town) -> None:
    await town.message("one")
    first = (await town.client.get("/events")).json()
    await town.message("two")
    rest = (await town.client.get("/events", params={"after": first[-1]["number"]})).json()
    assert [e["body"] for e in rest if e["kind"] == "message"] == ["two"]


def test_twiml_is_read() -> None:
    verbs = read_twiml(
        '<?xml version="1.0"?><Response><Say language="es-MX"> Vaya  ahora </Say>'
        '<Pause length="2"/><Gather numDigits="4" action="/k"><Say>Press</Say></Gather>'
        "<Redirect>/again</Redirect></Response>"
    )
    assert verbs == (
        Say("Vaya ahora", "es-MX"),
        Pause(2.0),
        Gather((Say("Press", None),), 4, "/k", 5.0, "#"),
        Redirect("/again"),
    )


@pytest.mark.parametrize(
    "document",
    [
        "no",
        "<Answer/>",
        "<Response><Dance/></Response>",
        '<Response><Gather numDigits="x"/></Response>',
        '<!DOCTYPE r [<!ENTITY a "b">]><Response/>',
    ],
)
def test_what_is_no_twiml_is_refused(document: str) -> None:
    with pytest.raises(TwimlError):
        read_twiml(document)


def test_numbers_and_segments() -> None:
    assert is_e164("+15005550006")
    assert not is_e164("15005550006")
    assert not is_e164("+0500555000")
    assert segments("a" * 160) == 1
    assert segments("a" * 161) == 2
    assert segments("ñ" * 160) == 1
    assert segments("á" * 70) == 1
    assert segments("á" * 71) == 2
    assert segments("€" * 81) == 2
