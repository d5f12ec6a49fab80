"""One request onto an ASGI application, with bytes no HTTP client would send."""

from dataclasses import dataclass, field
from typing import Any

from fhirserver.rest.envelope import App


@dataclass
class Answered:
    """What came back."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


async def call(
    app: App,
    method: str,
    path: str,
    *,
    query: bytes = b"",
    headers: tuple[tuple[bytes, bytes], ...] | list[tuple[bytes, bytes]] = (),
    body: bytes = b"",
) -> Answered:
    """Send a request for `path` below /fhir, the body in one piece."""
    answered = Answered()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.status = message["status"]
            answered.headers = dict(message["headers"])
        answered.body += message.get("body", b"")

    scope = {
        "type": "http",
        "method": method,
        "path": "/fhir/" + path,
        "root_path": "",
        "query_string": query,
        "headers": list(headers),
    }
    await app(scope, receive, send)
    return answered
