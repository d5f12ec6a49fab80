"""The client of a Twilio-shaped company, against a scripted one."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from subscriptions.channels.telephony import Refused, Unavailable
from subscriptions.channels.twilio import Account, Twilio

ACCOUNT = Account("https://api.example.org/", "AC1", "secret", "+15550009999")
SINCE = datetime(2026, 8, 1, 9, 30, 5, 700_000, tzinfo=UTC)


def twilio(answer: Callable[[httpx.Request], httpx.Response]) -> Twilio:
    return Twilio(ACCOUNT, httpx.MockTransport(answer))


async def test_a_message() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={"sid": "SM1"})

    assert await twilio(answer).text("+1555", "hello & bye", "https://us/status") == "SM1"
    (request,) = seen
    assert request.method == "POST"
    assert str(request.url) == "https://api.example.org/2010-04-01/Accounts/AC1/Messages.json"
    assert request.headers["authorization"].startswith("Basic ")
    assert parse_qs(request.content.decode()) == {
        "To": ["+1555"],
        "From": ["+15550009999"],
        "Body": ["hello & bye"],
        "StatusCallback": ["https://us/status"],
    }


async def test_a_call() -> None:
    seen: list[dict[str, list[str]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path.endswith("/Calls.json")
        seen.append(parse_qs(request.content.decode()))
        return httpx.Response(201, json={"sid": "CA1"})

    assert await twilio(answer).call("+1555", "<Response/>", "https://us/status") == "CA1"
    assert seen[0]["Twiml"] == ["<Response/>"]
    assert seen[0]["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]


@pytest.mark.parametrize(
    ("code", "cause"),
    [(21211, "dead-number"), (21614, "dead-number"), (21610, "opted-out")],
)
async def test_a_refusal_says_what_is_wrong_with_the_number(code: int, cause: str) -> None:
    with pytest.raises(Refused) as refused:
        await twilio(lambda _: httpx.Response(400, json={"code": code})).text("+1", "x", "u")
    assert refused.value.cause == cause


@pytest.mark.parametrize("body", [{"code": 21606}, {"code": 21408}, {}, {"code": None}])
async def test_a_refusal_of_ours_is_the_companys_affair(body: dict[str, Any]) -> None:
    with pytest.raises(Unavailable) as away:
        await twilio(lambda _: httpx.Response(400, json=body)).text("+1", "x", "u")
    assert not away.value.ambiguous


@pytest.mark.parametrize(
    ("response", "ambiguous"),
    [
        (httpx.Response(500), True),
        (httpx.Response(502), True),
        (httpx.Response(503, text="busy"), False),
        (httpx.Response(429, json={"code": 20429}), False),
        (httpx.Response(401, json={"code": 20003}), False),
        (httpx.Response(404), False),
        (httpx.Response(302, headers={"location": "https://elsewhere"}), True),
        (httpx.Response(201, json={"no": "sid"}), True),
        (httpx.Response(201, json=["sid"]), True),
        (httpx.Response(200, text="<html>"), True),
    ],
)
async def test_everything_else_is_an_outage(response: httpx.Response, ambiguous: bool) -> None:
    with pytest.raises(Unavailable) as away:
        await twilio(lambda _: response).text("+1", "x", "u")
    assert away.value.ambiguous is ambiguous


@pytest.mark.parametrize(
    ("problem", "ambiguous"),
    [
        (httpx.ConnectError, False),
        (httpx.ConnectTimeout, False),
        (httpx.PoolTimeout, False),
        (httpx.ReadTimeout, True),
        (httpx.ReadError, True),
        (httpx.RemoteProtocolError, True),
    ],
)
async def test_who_was_never_reached_has_taken_nothing(
    problem: type[httpx.RequestError], ambiguous: bool
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise problem("away", request=request)

    with pytest.raises(Unavailable) as away:
        await twilio(answer).text("+1", "x", "u")
    assert away.value.ambiguous is ambiguous


async def test_a_broken_connection_is_an_outage() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    with pytest.raises(Unavailable):
        await twilio(answer).call("+1", "x", "u")
    with pytest.raises(Unavailable):
        await twilio(answer).find_text("+1", "x", SINCE)


def listing(*entries: dict[str, Any], name: str = "messages") -> Twilio:
    return twilio(lambda _: httpx.Response(200, json={name: list(entries)}))


def entry(sid: str, body: str, created: str | None) -> dict[str, Any]:
    return {"sid": sid, "body": body, "date_created": created}


async def test_looking_a_message_up() -> None:
    company = listing(
        entry("SM0", "hello", "Sat, 01 Aug 2026 09:29:00 +0000"),
        entry("SM1", "other", "Sat, 01 Aug 2026 09:30:06 +0000"),
        entry("SM2", "hello", None),
        entry("SM3", "hello", "nonsense"),
        entry("SM4", "hello", "Sat, 01 Aug 2026 09:30:05 +0000"),
    )
    assert await company.find_text("+1", "hello", SINCE) == "SM4"
    assert await company.find_text("+1", "unsent", SINCE) is None


async def test_looking_a_call_up() -> None:
    company = listing(entry("CA1", "", "Sat, 01 Aug 2026 09:30:05 +0000"), name="calls")
    assert await company.find_call("+1", SINCE) == "CA1"


async def test_an_answer_that_is_no_list_is_an_outage() -> None:
    with pytest.raises(Unavailable):
        await listing(name="other").find_text("+1", "x", SINCE)
