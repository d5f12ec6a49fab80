"""A `Reply` onto an ASGI connection.

Spec: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import Send

_BODILESS = (204, 304)


async def send_reply(reply: Reply, send: Send, *, with_body: bool) -> None:
    """Send `reply`; without body (HEAD) the headers are those of the whole answer."""
    headers = reply.headers
    if reply.status not in _BODILESS:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})
