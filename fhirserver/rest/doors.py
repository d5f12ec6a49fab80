"""The ways into the server outside the FHIR API, and how often one address may take each.

The FHIR API counts for itself, by account and by app, once it knows who asks.

Spec: https://www.rfc-editor.org/rfc/rfc6585#section-4
"""

from collections.abc import Awaitable, Callable
from typing import Final

from fhirserver.kernel.errors import TooManyRequests
from fhirserver.rest import replies
from fhirserver.rest.rate_limits import Limits
from fhirserver.rest.requests import Receive, Scope, Send
from fhirserver.rest.sending import send_reply

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Count = Callable[[str], None]

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


class Doors:
    """ASGI wrapper around everything an address can reach."""

    def __init__(self, app: App, limits: Limits) -> None:
        """Count by `limits`."""
        self._app = app
        self._limits = limits

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
                return
        await self._app(scope, receive, send)

    def _count(self, scope: Scope) -> Count | None:
        path: str = scope["path"]
        if scope["type"] == "websocket" or path.startswith(_ALARMS):
            return self._limits.alarms
        if path == _FHIR or path.startswith((_FHIR + "/", _HEALTH)):
            return None
        if path.startswith(_AUTH) and scope["method"] == "POST" and path not in _FOR_CLIENTS:
            return self._limits.sign_in
        return self._limits.stranger


def address_of(scope: Scope) -> str:
    """Return the address a request came from, "" where the server does not know."""
    client = scope.get("client")
    return str(client[0]) if client else ""
