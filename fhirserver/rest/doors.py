"""The ways into the server outside the FHIR API, and how often one address may take each.

The FHIR API counts for itself, by account and by app, once it knows who asks, and audits what it refuses; so do the pages
of the authorization server. What the other ways refuse is seen here, and told.

Spec: https://www.rfc-editor.org/rfc/rfc6585#section-4
"""

from collections.abc import Awaitable, Callable
from typing import Final

from fhirserver.kernel.audit import REFUSED_WITH
from fhirserver.kernel.errors import TooManyRequests
from fhirserver.rest import replies
from fhirserver.rest.rate_limits import Limits
from fhirserver.rest.requests import Message, Receive, Scope, Send
from fhirserver.rest.sending import send_reply

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Count = Callable[[str], None]
# Is told from which address what was refused, with which status (of HTTP, or a websocket's code), and the request's id.
Tell = Callable[[str, int, bytes, str], Awaitable[None]]

# Monitors and the supervisor look here all the time, and an answer costs nothing.
_HEALTH: Final = "/health/"
_FHIR: Final = "/fhir"
_ALARMS: Final = ("/a/", "/telephony/")
_AUTH: Final = "/auth/"
# What checks no secret of a person: clients prove themselves here, with secrets nobody can guess.
_FOR_CLIENTS: Final = frozenset(
    {
        "/auth/authorize",
        "/auth/authorize/decide",
        "/auth/token",
        "/auth/introspect",
        "/auth/revoke",
    }
)
_TRY_AGAIN_LATER: Final = 1013
_POLICY_VIOLATION: Final = 1008
_TOO_MANY: Final = 429
# Answers on the way of an alarm that say no: 404 and 410 to links that nobody was sent.
_NO: Final = frozenset({401, 403, 404, 410, 413})
# What stands behind it opens something: not even a wrong one is kept.
_LINKS: Final = "/a/"
_LONGEST: Final = 200


class Doors:
    """ASGI wrapper around everything an address can reach."""

    def __init__(self, app: App, limits: Limits, tell: Tell) -> None:
        """Count by `limits`; `tell` of refusals."""
        self._app = app
        self._limits = limits
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, or answer 429 (close a websocket) in its place."""
        count = self._count(scope)
        if count is not None:
            try:
                count(address_of(scope))
            except TooManyRequests as error:
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": _TRY_AGAIN_LATER})
                else:
                    reply = replies.refusal(error)
                    await send_reply(reply, send, with_body=scope["method"] != "HEAD")
                await self._refused(scope, _TOO_MANY)
                return
        if count != self._limits.alarms:
            await self._app(scope, receive, send)
            return
        answered = _Answered(send)
        await self._app(scope, receive, answered)
        status = scope.get("state", {}).get(REFUSED_WITH, answered.status)
        if status in _NO or status == _POLICY_VIOLATION:
            await self._refused(scope, status)

    async def _refused(self, scope: Scope, status: int) -> None:
        path: str = scope["path"]
        shown = _LINKS if path.startswith(_LINKS) else path
        line = f"{scope.get('method', 'GET')} {shown}".encode("utf-8", "replace")[:_LONGEST]
        request_id = scope.get("state", {}).get("request_id", "")
        await self._tell(address_of(scope), status, line, request_id)

    def _count(self, scope: Scope) -> Count | None:
        path: str = scope["path"]
        if scope["type"] == "websocket" or path.startswith(_ALARMS):
            return self._limits.alarms
        if path == _FHIR or path.startswith((_FHIR + "/", _HEALTH)):
            return None
        if path.startswith(_AUTH) and scope["method"] == "POST" and path not in _FOR_CLIENTS:
            return self._limits.sign_in
        return self._limits.stranger


class _Answered:
    """Hands messages on and remembers the status of the answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
        await self._send(message)


def address_of(scope: Scope) -> str:
    """Return the address a request came from, "" where the server does not know."""
    client = scope.get("client")
    return str(client[0]) if client else ""
