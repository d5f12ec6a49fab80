"""A telephone company that speaks Twilio's REST API.

https://www.twilio.com/docs/messaging/api/message-resource,
https://www.twilio.com/docs/voice/api/call-resource. Form POSTs under HTTP Basic; an accepted one
answers 201 with a ``sid``. A 400 whose error speaks of the number is a refusal; everything else that
is not success is the company's own trouble. It is ambiguous unless the company says that it has not
even looked (429, 503, a wrong password), or was never reached.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from subscriptions.channels.telephony import Inbound, Refused, Unavailable
from subscriptions.core.receipt import cause_of
from subscriptions.core.timing import Medium

_API: Final = "2010-04-01"
_TIMEOUT: Final = httpx.Timeout(10.0, connect=3.0)
# Their times have whole seconds, and clocks differ a little.
_CLOCK_TOLERANCE: Final = timedelta(seconds=2)
# Answers that promise that nothing was taken.
_NOT_TAKEN: Final = frozenset((400, 401, 403, 404, 405, 410, 413, 429, 503))
_NEVER_REACHED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_RING_SECONDS: Final = "25"
_CALL_EVENTS: Final = ("initiated", "ringing", "answered", "completed")


@dataclass(frozen=True, slots=True)
class Account:
    """Where the company is and who we are there; `number` is what people see."""

    base_url: str
    sid: str
    token: str = field(repr=False)
    number: str
    name: str = "first"


class Twilio:
    """Implements `TelephoneCompany` for one account. Close it when done."""

    carries: frozenset[Medium] = frozenset(("sms", "voice"))

    def __init__(self, account: Account, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Connect lazily to `account`; `transport` replaces the network in tests."""
        self._account = account
        self._client = httpx.AsyncClient(
            base_url=f"{account.base_url.rstrip('/')}/{_API}/Accounts/{account.sid}/",
            auth=(account.sid, account.token),
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    @property
    def name(self) -> str:
        """See `TelephoneCompany.name`."""
        return self._account.name

    async def serve(self, inbound: Inbound, stop: asyncio.Event) -> None:
        """Return at once: this company calls our webhooks."""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def text(self, to: str, body: str, callback: str) -> str:
        """See `TelephoneCompany.text`."""
        form = {
            "To": to,
            "From": self._account.number,
            "Body": body,
            "StatusCallback": callback,
        }
        return await self._create("Messages.json", form)

    async def call(self, to: str, document: str, callback: str) -> str:
        """See `TelephoneCompany.call`."""
        form: Mapping[str, str | Sequence[str]] = {
            "To": to,
            "From": self._account.number,
            "Twiml": document,
            "Timeout": _RING_SECONDS,
            "StatusCallback": callback,
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": _CALL_EVENTS,
        }
        return await self._create("Calls.json", form)

    async def find_text(self, to: str, body: str, since: datetime) -> str | None:
        """See `TelephoneCompany.find_text`."""
        found = await self._list("Messages.json", "messages", to)
        return _first(
            entry for entry in found if entry.get("body") == body and _after(entry, since)
        )

    async def find_call(self, to: str, since: datetime) -> str | None:
        """See `TelephoneCompany.find_call`."""
        found = await self._list("Calls.json", "calls", to)
        return _first(entry for entry in found if _after(entry, since))

    async def _create(self, path: str, form: Mapping[str, Any]) -> str:
        answer = await self._ask("POST", path, data=form)
        content = _json(answer)
        status = answer.status_code
        if status == httpx.codes.BAD_REQUEST and (cause := cause_of(str(content.get("code")))):
            raise Refused(cause)
        sid = content.get("sid")
        if not answer.is_success or not isinstance(sid, str):
            raise Unavailable(f"answered {status}", ambiguous=status not in _NOT_TAKEN)
        return sid

    async def _list(self, path: str, name: str, to: str) -> list[dict[str, Any]]:
        answer = await self._ask("GET", path, params={"To": to, "PageSize": "50"})
        found = _json(answer).get(name)
        if not answer.is_success or not isinstance(found, list):
            raise Unavailable(f"answered {answer.status_code}", ambiguous=False)
        return found

    async def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return await self._client.request(method, path, **arguments)
        except httpx.HTTPError as problem:
            reached = not isinstance(problem, _NEVER_REACHED)
            raise Unavailable(type(problem).__name__, ambiguous=reached) from problem


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _after(entry: Mapping[str, Any], since: datetime) -> bool:
    created = entry.get("date_created")
    if not isinstance(created, str):
        return False
    try:
        return parsedate_to_datetime(created) >= since - _CLOCK_TOLERANCE
    except ValueError:
        return False


def _first(entries: Any) -> str | None:
    return next((str(entry["sid"]) for entry in entries if "sid" in entry), None)
