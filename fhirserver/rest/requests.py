"""One HTTP request as handlers see it: headers, body within bounds, query pairs.

Spec: https://hl7.org/fhir/R4/http.html, https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from fhirserver.kernel.errors import BadRequest, TooLarge
from fhirserver.kernel.resource import Json
from fhirserver.rest.negotiation import require_acceptable, require_format, require_json_body
from fhirserver.wire import fhir_json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Pairs = list[tuple[str, str]]

MAX_BODY: Final = 5 * 1024 * 1024
MAX_PAIRS: Final = 1000


class ClientGoneError(Exception):
    """The caller closed the connection before the body was complete; there is nobody to answer."""


@dataclass(slots=True)
class Request:
    """A request whose path has been matched.

    `resource_type`, `id` and `vid` are what the path says, "" if nothing.
    """

    method: str
    headers: dict[bytes, bytes]
    query: bytes
    receive: Receive
    resource_type: str = ""
    id: str = ""
    vid: str = ""

    def header(self, name: bytes) -> bytes | None:
        """Return the header `name` (lower case), None without one."""
        return self.headers.get(name)

    def pairs(self) -> Pairs:
        """Return the query parameters without _format, once it is clear that JSON is wanted.

        Raises `NotAcceptable`, and `BadRequest` for a query string that is not one.
        """
        accept = self.headers.get(b"accept")
        if not self.query:
            require_acceptable(accept)
            return []
        pairs = parse_pairs(self.query)
        formats = [value for name, value in pairs if name == "_format"]
        if not formats:
            require_acceptable(accept)
            return pairs
        for value in formats:
            require_format(value)
        return [pair for pair in pairs if pair[0] != "_format"]

    def no_parameters(self) -> None:
        """Raise `BadRequest` when there is a query parameter beside _format."""
        for name, _ in self.pairs():
            message = f"The parameter {name!r} is not supported here."
            raise BadRequest(message)

    async def resource(self) -> Json:
        """Return the body. Raises `UnsupportedMediaType`, `TooLarge`, `Malformed`."""
        require_json_body(self.headers.get(b"content-type"))
        return fhir_json.read(await self.body())

    async def optional_resource(self) -> Json | None:
        """Return the body, None when it is empty."""
        content = await self.body()
        if not content:
            return None
        require_json_body(self.headers.get(b"content-type"))
        return fhir_json.read(content)

    async def body(self) -> bytes:
        """Return the raw body.

        Raises `TooLarge` beyond `MAX_BODY` bytes, before reading them where they are declared.
        """
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MAX_BODY:
            raise _too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > MAX_BODY:
                raise _too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_pairs(text: bytes) -> Pairs:
    """Return the pairs of a query string or form.

    Raises `BadRequest` for broken UTF-8 and for too many of them.
    """
    try:
        return parse_qsl(
            text.decode("utf-8"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MAX_PAIRS,
        )
    except UnicodeDecodeError:
        message = "The parameters are not valid UTF-8."
    except ValueError:
        message = f"At most {MAX_PAIRS} parameters are read."
    raise BadRequest(message)


def _too_large() -> TooLarge:
    message = f"A body may have {MAX_BODY} bytes."
    return TooLarge(message)
