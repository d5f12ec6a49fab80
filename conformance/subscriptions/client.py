"""What a subscriber asks a FHIR server: write Subscriptions, `$status`, `$events`, and anything else.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx

from conformance.subscriptions.notification import Status, Unreadable, read, read_status

Json = dict[str, Any]

FHIR_JSON: Final = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `body` is None where there is no JSON object. Times are seconds of the clock."""

    status: int
    body: Json | None
    headers: Mapping[str, str]
    begun: float
    ended: float

    @property
    def is_success(self) -> bool:
        """Whether the server did what it was asked."""
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """Whether the server certainly did not do it."""
        return 400 <= self.status < 500

    def problem(self) -> str:
        """Return status and diagnostics in one line."""
        issues = (self.body or {}).get("issue", [])
        said = [
            str(one.get("diagnostics") or one.get("details", {}).get("text", "")) for one in issues
        ]
        return f"{self.status} {'; '.join(filter(None, said))}".strip()


class UnexpectedAnswer(RuntimeError):
    """The server answered something that leaves nothing to go on with."""

    def __init__(self, request: str, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"{request} answered {reply.problem()}")


class Client:
    """One FHIR base as the holder of `token` sees it (no token: nobody in particular)."""

    def __init__(self, http: httpx.AsyncClient, base: str, token: str = "") -> None:
        self.base = base.rstrip("/")
        self._http = http
        self._headers = {"Accept": FHIR_JSON}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def as_holder_of(self, token: str) -> "Client":
        """Return the same base as the holder of another token sees it."""
        return Client(self._http, self.base, token)

    async def ask(self, method: str, path: str, body: Json | None = None) -> Reply:
        """Return the answer to `method` on `path` below the base. Raises `httpx.TransportError`."""
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = FHIR_JSON
        begun = time.time()
        answer = await self._http.request(
            method, f"{self.base}/{path}".rstrip("/"), json=body, headers=headers
        )
        ended = time.time()
        try:
            found = answer.json()
        except ValueError:
            found = None
        parsed = found if isinstance(found, dict) else None
        return Reply(answer.status_code, parsed, answer.headers, begun, ended)

    async def must(self, method: str, path: str, body: Json | None = None) -> Reply:
        """Like `ask`. Raises `UnexpectedAnswer` too, for anything but success."""
        reply = await self.ask(method, path, body)
        if not reply.is_success:
            raise UnexpectedAnswer(f"{method} {path}", reply)
        return reply

    async def put(self, resource: Json) -> Reply:
        """Write `resource` under its own id. Raises as `must`."""
        path = f"{resource['resourceType']}/{quote(resource['id'])}"
        return await self.must("PUT", path, resource)

    async def get(self, path: str) -> Json:
        """Return the resource at `path`. Raises as `must`, and `UnexpectedAnswer` without one."""
        reply = await self.must("GET", path)
        if reply.body is None:
            raise UnexpectedAnswer(f"GET {path}", reply)
        return reply.body

    async def status(self, subscription: str) -> Status:
        """Return the `$status` of one Subscription. Raises as `must`, and `Unreadable`."""
        bundle = await self.get(f"Subscription/{subscription}/$status")
        entries = bundle.get("entry", [])
        if len(entries) != 1:
            raise Unreadable(f"$status of one Subscription has {len(entries)} entries")
        return read_status(entries[0].get("resource"))

    async def events(
        self, subscription: str, since: int | None = None, until: int | None = None
    ) -> Json:
        """Return the Bundle of `$events`, numbers inclusive. Raises as `must`."""
        wanted = {"eventsSinceNumber": since, "eventsUntilNumber": until}
        query = "&".join(
            f"{name}={number}" for name, number in wanted.items() if number is not None
        )
        return await self.get(
            f"Subscription/{subscription}/$events" + (f"?{query}" if query else "")
        )

    async def events_of(self, subscription: str, since: int | None = None) -> Status:
        """Return what `$events` says happened. Raises as `must`, and `Unreadable`."""
        return read(await self.events(subscription, since))
