"""What every HTTP answer carries, whichever part made it: a request id and security headers.

Answers hold health data, so nothing on the way may keep a copy of them (no-store) and no page may
frame them or load anything through them. Which pages of other origins may read them is decided by
`fhirserver.rest.cors`.

Spec: https://hl7.org/fhir/R4/http.html#custom, https://owasp.org/www-project-secure-headers/
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final

from fhirserver.kernel.errors import TooLarge
from fhirserver.rest import replies
from fhirserver.rest.cors import Origins, origins_at
from fhirserver.rest.failures import failed
from fhirserver.rest.replies import Header, Reply
from fhirserver.rest.requests import Message, Receive, Scope, Send
from fhirserver.rest.sending import send_reply

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

MAX_HEADERS: Final = 64 * 1024

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"accept, accept-encoding, origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Envelope:
    """ASGI wrapper around the whole server."""

    def __init__(
        self,
        app: App,
        *,
        new_request_id: Callable[[], str],
        strict_transport: bool,
        origins: Origins | None = None,
    ) -> None:
        """`new_request_id` names requests that bring no usable X-Request-Id.

        `strict_transport` for https bases. `origins` may call from their pages what is meant for
        them (`fhirserver.rest.cors`); None: nobody may call anything.
        """
        self._app = app
        self._new_request_id = new_request_id
        self._headers = SECURITY_HEADERS + ((STRICT_TRANSPORT,) if strict_transport else ())
        self._names = frozenset(name for name, _ in self._headers)
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the wrapped application.

        An exception it lets escape becomes a 500 answer where none was begun.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, origin, size = b"", b"", 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                request_id = bytes(value)
            elif name == b"origin":
                origin = bytes(value)
        request_id = request_id or self._new_request_id().encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        added = [*self._headers, (b"x-request-id", request_id)]
        origins = origins_at(scope["path"], self._origins) if origin and self._origins else None
        if origins is not None:
            added += origins.answer(origin)
        begun = False

        async def send_enveloped(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = message.get("headers", ())
                present = {name for name, _ in headers}
                message["headers"] = [
                    *headers,
                    *(added if present.isdisjoint(self._names) else _missing(added, present)),
                ]
            await send(message)

        try:
            reply = None
            if size > MAX_HEADERS or origins is not None:
                reply = _at_the_door(scope, origin, origins, size)
            if reply is None:
                await self._app(scope, receive, send_enveloped)
            else:
                await send_reply(reply, send_enveloped, with_body=scope["method"] != "HEAD")
        except Exception as error:  # noqa: BLE001 - logged here, and the caller gets an answer
            reply = failed(error, scope)
            if not begun:
                await send_reply(reply, send_enveloped, with_body=scope["method"] != "HEAD")


def _at_the_door(scope: Scope, origin: bytes, origins: Origins | None, size: int) -> Reply | None:
    """Return the answer to what goes no further: headers without end, a browser's preflight."""
    if size > MAX_HEADERS:
        return replies.refusal(TooLarge(f"The headers may have {MAX_HEADERS} bytes."))
    if (
        origins is not None
        and scope["method"] == "OPTIONS"
        and any(name == b"access-control-request-method" for name, _ in scope["headers"])
    ):
        return Reply(204, origins.preflight(origin))
    return None


def _missing(added: list[Header], present: set[bytes]) -> list[Header]:
    """Return those of `added` that the answer has not set itself."""
    return [one for one in added if one[0] not in present]
