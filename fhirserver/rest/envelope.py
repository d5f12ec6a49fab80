"""What every HTTP answer carries, whichever part made it: a request id and security headers.

Answers hold health data, so nothing on the way may keep a copy of them (no-store) and no page may
frame them or load anything through them.

Spec: https://hl7.org/fhir/R4/http.html#custom, https://owasp.org/www-project-secure-headers/
"""

import re
from collections.abc import Awaitable, Callable

from fhirserver.rest.failures import failed
from fhirserver.rest.requests import Message, Receive, Scope, Send
from fhirserver.rest.sending import send_reply

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Envelope:
    """ASGI wrapper around the whole server."""

    def __init__(
        self, app: App, *, new_request_id: Callable[[], str], strict_transport: bool
    ) -> None:
        """`new_request_id` names requests that bring no usable X-Request-Id.

        `strict_transport` for https bases.
        """
        self._app = app
        self._new_request_id = new_request_id
        self._headers = SECURITY_HEADERS + ((STRICT_TRANSPORT,) if strict_transport else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the wrapped application.

        An exception it lets escape becomes a 500 answer where none was begun.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        begun = False

        async def send_enveloped(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = list(message.get("headers", ()))
                present = {name for name, _ in headers}
                headers += [one for one in self._headers if one[0] not in present]
                headers.append((b"x-request-id", request_id))
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, send_enveloped)
        except Exception as error:  # noqa: BLE001 - logged here, and the caller gets an answer
            reply = failed(error, scope)
            if not begun:
                await send_reply(reply, send_enveloped, with_body=scope["method"] != "HEAD")

    def _request_id(self, scope: Scope) -> bytes:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                return bytes(value)
        return self._new_request_id().encode()
