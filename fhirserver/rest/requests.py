"""One HTTP request as handlers see it: headers, body within bounds, query pairs.

Spec: https://hl7.org/fhir/R4/http.html, https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import base64
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from fhirserver.kernel.errors import (
    BadRequest,
    NotAcceptable,
    TooLarge,
    UnsupportedMediaType,
)
from fhirserver.kernel.resource import Json
from fhirserver.rest import negotiation
from fhirserver.rest.negotiation import JSON, NATIVE, PatchKind, Representation
from fhirserver.rest.shapes import Shape, shape_of
from fhirserver.wire import fhir_json, fhir_xml, gzipped

if TYPE_CHECKING:
    from fhirserver.rest.inner import Door

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Pairs = list[tuple[str, str]]

MAX_BODY: Final = 5 * 1024 * 1024
MAX_BUNDLE: Final = 16 * 1024 * 1024
MAX_PAIRS: Final = 1000
MAX_QUERY: Final = 128 * 1024

_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BINARY: Final = "Binary/"


class ClientGoneError(Exception):
    """The caller closed the connection before the body was complete; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Patch:
    """What a PATCH asks for.

    `document` is a JSON array (json-patch), an object (merge-patch) or a Parameters resource.
    """

    kind: PatchKind
    document: Any


@dataclass(slots=True)
class Request:
    """A request whose path has been matched.

    `resource_type`, `id`, `vid` and `inner` (the type inside a compartment) are what the path says,
    "" if nothing. `door` is the way in for requests inside this one. `wanted` is the form the
    answer shall have, JSON until `negotiate` was called. `address` is where it came from, "" if unknown.
    `request_id` is what the answer names it by; `form` are the parameters of a search by POST, once they were read.
    """

    method: str
    headers: dict[bytes, bytes]
    query: bytes
    receive: Receive
    resource_type: str = ""
    id: str = ""
    vid: str = ""
    wanted: Representation = JSON
    _pairs: Pairs | None = field(default=None, repr=False)
    inner: str = ""
    address: str = ""
    request_id: str = ""
    form: bytes = b""
    door: "Door | None" = field(default=None, repr=False)

    def header(self, name: bytes) -> bytes | None:
        """Return the header `name` (lower case), None without one."""
        return self.headers.get(name)

    def negotiate(self, path: str = "") -> None:
        """Decide the form of the answer from Accept, _format and _pretty; `path` is below the base.

        Raises `NotAcceptable` and `BadRequest`; the refusal itself then goes out as JSON.
        """
        formats = self._formats() if self.query else []
        if not formats or not any(name == "_format" for name, _ in formats):
            try:
                self.wanted = negotiation.accepted(self.headers.get(b"accept"))
            except NotAcceptable:
                if not path.startswith(_BINARY):
                    raise
                self.wanted = NATIVE
        if formats:
            self._choose(formats)

    def pairs(self) -> Pairs:
        """Return the query parameters without _format and _pretty.

        Raises `BadRequest` for a query string that is not one, `TooLarge` for one without end.
        """
        if self._pairs is None:
            self._formats()
        return list(self._pairs or ())

    def no_parameters(self) -> None:
        """Raise `BadRequest` when there is a query parameter beside _format and _pretty."""
        if not self.query:
            return
        for name, _ in self.pairs():
            message = f"The parameter {name!r} is not supported here."
            raise BadRequest(message)

    def shape(self) -> Shape | None:
        """Return which parts of the resource are wanted, None for all.

        Raises `BadRequest` for parameters beside _summary, _elements, _format and _pretty.
        """
        return shape_of(self.pairs(), self.resource_type) if self.query else None

    async def form_pairs(self) -> Pairs:
        """Return the parameters of a search by POST: those of the URL, then those of the form.

        Raises `UnsupportedMediaType` when there is a body that is no form.
        """
        pairs = self.pairs()
        content = await self.body()
        if not content:
            return pairs
        if not negotiation.is_form(self.headers.get(b"content-type")):
            raise UnsupportedMediaType(f"Send search parameters as {negotiation.FORM}.")
        given = parse_pairs(content)
        self.form = content
        self._choose([pair for pair in given if pair[0] in ("_format", "_pretty")])
        return pairs + [pair for pair in given if pair[0] not in ("_format", "_pretty")]

    async def resource(self, limit: int = MAX_BODY) -> Json:
        """Return the body, at most `limit` bytes of JSON or XML.

        A Binary may also come as its content itself. Raises `UnsupportedMediaType`, `TooLarge`,
        `Malformed`.
        """
        content_type = self.headers.get(b"content-type")
        if (
            self.resource_type == "Binary"
            and content_type
            and not negotiation.is_fhir(content_type)
        ):
            return self._binary(content_type, await self.body(limit))
        form = negotiation.body_format(content_type)
        content = await self.body(limit)
        return fhir_xml.read(content) if form == "xml" else fhir_json.read(content)

    async def optional_resource(self) -> Json | None:
        """Return the body, None when it is empty."""
        content = await self.body()
        if not content:
            return None
        form = negotiation.body_format(self.headers.get(b"content-type"))
        return fhir_xml.read(content) if form == "xml" else fhir_json.read(content)

    async def patch(self) -> Patch:
        """Return the body of a PATCH; as plain JSON its shape says in which language it is.

        Raises `UnsupportedMediaType`, `TooLarge`, `Malformed`.
        """
        content_type = self.headers.get(b"content-type")
        kind = negotiation.patch_kind(content_type)
        content = await self.body()
        match kind:
            case None:
                return _by_shape(fhir_json.read_value(content))
            case "json-patch":
                return Patch(kind, fhir_json.read_value(content))
            case "merge-patch":
                return Patch(kind, fhir_json.read(content))
        is_xml = negotiation.body_format(content_type) == "xml"
        return Patch(kind, fhir_xml.read(content) if is_xml else fhir_json.read(content))

    async def body(self, limit: int = MAX_BODY) -> bytes:
        """Return the body, unpacked where it came as gzip.

        Raises `TooLarge` beyond `limit` bytes, packed or unpacked, and before reading them where
        they are declared; `UnsupportedMediaType` for another Content-Encoding.
        """
        encoding = self.headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"identity", b"gzip", b"x-gzip", b""):
            raise UnsupportedMediaType("Content-Encoding may be gzip, and nothing else.")
        content = await self._received(limit)
        return content if encoding in (b"identity", b"") else gzipped.unpack(content, limit)

    async def _received(self, limit: int) -> bytes:
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and (len(declared) > 12 or int(declared) > limit):
            raise _too_large(limit)
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _formats(self) -> Pairs:
        """Read the query once; return its _format and _pretty and keep the rest for `pairs`."""
        given = parse_pairs(self.query) if self.query else []
        self._pairs = [pair for pair in given if pair[0] not in ("_format", "_pretty")]
        return [pair for pair in given if pair[0] in ("_format", "_pretty")]

    def _choose(self, formats: Pairs) -> None:
        wanted = self.wanted
        for name, value in formats:
            if name == "_format":
                wanted = negotiation.format_named(value)
        for name, value in formats:
            if name == "_pretty":
                wanted = negotiation.indented(wanted, value)
        self.wanted = wanted

    def _binary(self, content_type: bytes, content: bytes) -> Json:
        resource: Json = {"resourceType": "Binary"}
        if self.id:
            resource["id"] = self.id
        resource["contentType"] = content_type.decode("latin-1")
        context = self.headers.get(b"x-security-context")
        if context:
            resource["securityContext"] = {"reference": context.decode("latin-1")}
        if content:
            resource["data"] = base64.b64encode(content).decode()
        return resource


def parse_pairs(text: bytes) -> Pairs:
    """Return the pairs of a query string or form.

    Raises `BadRequest` for broken UTF-8, broken percent-encoding, NUL characters and too many
    pairs, `TooLarge` for more than `MAX_QUERY` bytes.
    """
    if len(text) > MAX_QUERY:
        raise TooLarge(f"Parameters may have {MAX_QUERY} bytes.")
    try:
        decoded = text.decode("utf-8")
        if _BROKEN_ESCAPE.search(decoded):
            raise BadRequest("The parameters hold a percent sign that escapes nothing: write %25.")
        pairs = parse_qsl(
            decoded,
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MAX_PAIRS,
        )
    except UnicodeDecodeError:
        raise BadRequest("The parameters are not valid UTF-8.") from None
    except ValueError:
        raise BadRequest(f"At most {MAX_PAIRS} parameters are read.") from None
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise BadRequest("A parameter holds the character NUL.")
    return pairs


def _by_shape(document: Any) -> Patch:
    """Return a patch sent as application/json, which several client libraries do."""
    if isinstance(document, list):
        return Patch("json-patch", document)
    if not isinstance(document, dict):
        raise BadRequest(
            "A patch is a JSON array (JSON Patch) or object (merge patch, Parameters)."
        )
    is_parameters = document.get("resourceType") == "Parameters"
    return Patch("fhirpath-patch" if is_parameters else "merge-patch", document)


def _too_large(limit: int) -> TooLarge:
    message = f"A body may have {limit} bytes."
    return TooLarge(message)
