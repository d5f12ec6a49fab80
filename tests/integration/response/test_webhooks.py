"""The telephone company's webhooks over HTTP: proven, idempotent, answered in TwiML."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from starlette.applications import Starlette

from subscriptions.core.webhook_signature import signature
from subscriptions.rest import routes
from tests.integration.response.conftest import BOB, EVE, Place

PUBLIC = "https://example.org"
TOKEN, OLD_TOKEN = "the-token", "the-token-before"


class Caller:
    """The company's side of the webhooks."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def post(
        self, url: str, fields: dict[str, str], *, token: str = TOKEN, public: str = PUBLIC
    ) -> httpx.Response:
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return await self._client.post(
            path,
            content=urlencode(fields),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": signature(token, public + path, list(fields.items())),
            },
        )

    async def sms(
        self, sender: str, body: str, sid: str = "SM-written", **how: str
    ) -> httpx.Response:
        fields = {"From": sender, "To": "+15550009999", "Body": body, "MessageSid": sid}
        return await self.post("/telephony/home/sms", fields, **how)


@pytest.fixture
async def caller(place: Place) -> AsyncIterator[Caller]:
    app = Starlette(
        routes=routes(
            response=place.response,
            transactions=place.record.transaction,
            public_url=PUBLIC,
            tokens=(TOKEN, OLD_TOKEN),
            tenant_of={"home": place.tenant}.get,
        )
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
        yield Caller(client)


async def test_an_answer_by_message(place: Place, caller: Caller) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    answer = await caller.sms(BOB, f"{code}h")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert "<Message>Thank you." in answer.text
    assert (await place.query("SELECT response FROM alert"))[0] == ("at-patient",)


async def test_the_same_message_twice_is_answered_the_same_and_acts_once(
    place: Place, caller: Caller
) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    first = await caller.sms(BOB, f"{code}n", sid="SM-twice")
    assert (await caller.sms(BOB, f"{code}n", sid="SM-twice")).text == first.text
    assert len(await place.query("SELECT 1 FROM inbound_message")) == 4  # three proofs before


@pytest.mark.parametrize(
    "how", [{"token": "guessed"}, {"token": ""}, {"public": "https://evil.example"}]
)
async def test_an_unproven_request_changes_nothing(
    place: Place, caller: Caller, how: dict[str, str]
) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    assert (await caller.sms(BOB, f"{code}h", **how)).status_code == 403
    assert (await place.query("SELECT response FROM alert"))[0] == ("notifying",)


async def test_the_token_before_is_still_accepted(place: Place, caller: Caller) -> None:
    assert (await caller.sms(BOB, "help", token=OLD_TOKEN)).status_code == 200


async def test_an_unknown_tenant_is_refused(caller: Caller) -> None:
    fields = {"From": BOB, "Body": "help", "MessageSid": "SM1"}
    assert (await caller.post("/telephony/nowhere/sms", fields)).status_code == 403


async def test_an_incomplete_message_is_refused(caller: Caller) -> None:
    assert (await caller.post("/telephony/home/sms", {"From": BOB})).status_code == 400


async def test_a_form_beyond_the_bound_is_refused(caller: Caller) -> None:
    fields = {"From": BOB, "Body": "x" * 70_000, "MessageSid": "SM1"}
    assert (await caller.post("/telephony/home/sms", fields)).status_code == 413


async def test_an_unknown_sender_gets_no_answer(caller: Caller) -> None:
    answer = await caller.sms("+15557654321", "hello")
    assert answer.text == "<Response></Response>"


async def test_a_key_pressed_answers_the_alarm(place: Place, caller: Caller) -> None:
    await place.alarm()
    call = place.pages(BOB, "voice")[0]
    action = call.text.partition('action="')[2].partition('"')[0]
    answer = await caller.post(action, {"Digits": "1", "CallSid": "CA1"})
    assert answer.status_code == 200
    assert "<Say" in answer.text
    assert (await place.query("SELECT response FROM alert"))[0] == ("at-patient",)


async def test_a_key_reported_twice_acts_once(place: Place, caller: Caller) -> None:
    await place.alarm()
    call = place.pages(BOB, "voice")[0]
    action = call.text.partition('action="')[2].partition('"')[0]
    await caller.post(action, {"Digits": "1", "CallSid": "CA1"})
    await place.alarm(end=True)
    await place.after(121)
    assert "already" in (await caller.post(action, {"Digits": "1", "CallSid": "CA1"})).text
    assert (await place.query("SELECT response FROM alert"))[0] == ("notifying",)


async def test_the_url_is_the_public_one_whatever_a_proxy_made_of_it(
    place: Place, caller: Caller
) -> None:
    """The request reaches us as http://inside; it was signed for the public address."""
    await place.alarm()
    message = place.pages(BOB, "sms")[0]
    fields = {"MessageSid": message.sid, "MessageStatus": "delivered"}
    inside = await caller.post(message.callback, fields, public="http://inside")
    assert inside.status_code == 403
    named = await caller.post(message.callback, fields, public="https://example.org:443")
    assert named.status_code == 204
    assert (await place.query("SELECT response FROM alert"))[0] == ("delivered",)


async def test_reports_count_once_and_never_go_back(place: Place, caller: Caller) -> None:
    await place.alarm()
    message = place.pages(BOB, "sms")[0]
    for status in ("delivered", "sent", "delivered", "undelivered", "queued"):
        fields = {"MessageSid": message.sid, "MessageStatus": status}
        assert (await caller.post(message.callback, fields)).status_code == 204
    await place.work()
    assert await place.query("SELECT receipt FROM attempt WHERE receipt IS NOT NULL") == [
        ("delivered",)
    ]
    assert place.pages(EVE) == []


async def test_the_address_is_not_spoken_before_anybody_asked_for_an_ambulance(
    place: Place, caller: Caller
) -> None:
    await place.put(
        {"resourceType": "Patient", "id": "ann", "address": [{"text": "12 Elm Street"}]}
    )
    await place.alarm()
    call = place.pages(BOB, "voice")[0]
    action = call.text.partition('action="')[2].partition('"')[0]
    answer = await caller.post(f"{action}?menu=card", {"Digits": "9"})
    assert answer.status_code == 200
    assert "Elm" not in answer.text
    assert (await place.query("SELECT response FROM alert"))[0] == ("notifying",)


async def test_a_key_that_means_nothing_changes_nothing(place: Place, caller: Caller) -> None:
    await place.alarm()
    call = place.pages(BOB, "voice")[0]
    action = call.text.partition('action="')[2].partition('"')[0]
    assert (await caller.post(action, {"Digits": "5"})).status_code == 200
    assert (await place.query("SELECT response FROM alert"))[0] == ("notifying",)


async def test_a_call_nobody_placed_cannot_be_answered(place: Place, caller: Caller) -> None:
    message = place.company.sent[0]
    for id_ in (message.attempt, "nonsense", "018f0000-0000-7000-8000-000000000000"):
        answer = await caller.post(f"/telephony/{place.tenant}/voice/{id_}", {"Digits": "1"})
        assert answer.status_code == 404


async def test_a_receipt_reaches_the_ladder(place: Place, caller: Caller) -> None:
    await place.alarm()
    message = place.pages(BOB, "sms")[0]
    fields = {"MessageSid": message.sid, "MessageStatus": "undelivered", "ErrorCode": "30003"}
    assert (await caller.post(message.callback, fields)).status_code == 204
    await place.work()
    assert place.pages(EVE, "sms") != []


async def test_a_receipt_for_nothing_is_accepted_and_forgotten(
    place: Place, caller: Caller
) -> None:
    path = f"/telephony/{place.tenant}/status"
    unknown = f"{path}?attempt=018f0000-0000-7000-8000-000000000000"
    assert (await caller.post(unknown, {"MessageStatus": "delivered"})).status_code == 204
    assert (await caller.post(f"{path}?attempt=x", {})).status_code == 400


@pytest.mark.parametrize("tenant", ["9" * 30, "9" * 5000])
async def test_a_tenant_that_is_no_number_of_ours_is_refused_like_any_other(
    caller: Caller, tenant: str
) -> None:
    fields = {"From": BOB, "Body": "y", "MessageSid": "SM-1"}
    for token in (TOKEN, "guessed"):
        answer = await caller.post(f"/telephony/{tenant}/sms", fields, token=token)
        assert answer.status_code == 403
