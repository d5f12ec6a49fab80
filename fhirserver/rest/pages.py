"""Documents about the server that anybody may read: capabilities, and the OpenAPI description.

Each is made once per set of definitions, the first time somebody asks, and then handed out.

Spec: https://hl7.org/fhir/R4/http.html#capabilities
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakKeyDictionary

import orjson

from fhirserver.definitions import Definitions
from fhirserver.interactions.capability_statement import Product, capability_statement
from fhirserver.interactions.operation import Operation
from fhirserver.interactions.terminology_capabilities import terminology_capabilities
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json
from fhirserver.rest.openapi import describe
from fhirserver.rest.replies import CONTENT_TYPE, Reply
from fhirserver.rest.requests import Pairs, Request
from fhirserver.rest.route import Route
from fhirserver.rest.routes import offers
from fhirserver.rest.shapes import shape_of
from fhirserver.search.query import supported_parameters
from fhirserver.wire import fhir_json

METADATA: Final = "metadata"
OPENAPI: Final = "openapi.json"

_MODES: Final = ("full", "normative", "terminology")
_MAX_TYPES: Final = 10


@dataclass(frozen=True, slots=True)
class _Document:
    content: bytes
    etag: bytes


class Pages:
    """The documents of one application."""

    def __init__(
        self,
        routes: tuple[Route, ...],
        operations: tuple[Operation, ...],
        product: Product,
        topics_of: Callable[[Definitions], Sequence[str]],
        definitions_of: Callable[[int | None], Definitions],
    ) -> None:
        """`definitions_of` a tenant, or of nobody in particular (None).

        `topics_of` gives the canonicals of the topics that go with definitions.
        """
        self._routes = routes
        self._operations = operations
        self._offers = offers(routes)
        self._product = product
        self._topics_of = topics_of
        self._definitions_of = definitions_of
        self._made: WeakKeyDictionary[Definitions, dict[str, _Document]] = WeakKeyDictionary()
        self._making = asyncio.Lock()

    async def metadata(self, request: Request, tenant: int | None) -> Reply:
        """Return the CapabilityStatement, or what `mode` asks for.

        Raises `BadRequest` for parameters beside mode, _summary and _elements.
        """
        pairs = request.pairs()
        mode = _mode(pairs)
        kind = "TerminologyCapabilities" if mode == "terminology" else "CapabilityStatement"
        shape = shape_of([pair for pair in pairs if pair[0] != "mode"], kind)
        document = await self._document(mode, tenant)
        if shape is not None:
            return Reply(200, [CONTENT_TYPE], shape.apply(document.content))
        return _reply(document, request, CONTENT_TYPE)

    async def openapi(self, request: Request, tenant: int | None) -> Reply:
        """Return the OpenAPI description; `type` lists the types to describe one by one.

        Raises `BadRequest` for another parameter and for an unknown type.
        """
        types: list[str] = []
        definitions = self._definitions_of(tenant)
        for name, value in request.pairs():
            if name != "type":
                raise BadRequest(f"The parameter {name!r} is not supported here.")
            types += value.split(",")
        for type_ in types:
            if not definitions.is_resource_type(type_):
                raise BadRequest(f"{type_!r} is no resource type.")
        if len(types) > _MAX_TYPES:
            raise BadRequest(f"At most {_MAX_TYPES} types are described one by one.")
        if types:
            described = await asyncio.to_thread(self._description, definitions, tuple(types))
            content = orjson.dumps(described)
            return Reply(200, [(b"content-type", b"application/json")], content)
        document = await self._document(OPENAPI, tenant)
        return _reply(document, request, (b"content-type", b"application/json"))

    async def _document(self, name: str, tenant: int | None) -> _Document:
        definitions = self._definitions_of(tenant)
        made = self._made.setdefault(definitions, {})
        found = made.get(name)
        if found is not None:
            return found
        # It takes a good part of a second: others shall not wait for it, nor make it too.
        async with self._making:
            if name not in made:
                made[name] = await asyncio.to_thread(self._made_anew, name, definitions)
            return made[name]

    def _made_anew(self, name: str, definitions: Definitions) -> _Document:
        content = fhir_json.write(self._make(name, definitions))
        digest = hashlib.sha256(content).hexdigest()[:16]
        return _Document(content, f'W/"{digest}"'.encode())

    def _make(self, name: str, definitions: Definitions) -> Json:
        match name:
            case "terminology":
                return terminology_capabilities(self._offers, definitions, self._product)
            case "normative" | "full":
                searchable = {
                    one: supported_parameters(one, definitions)
                    for one in definitions.resource_types
                }
                return capability_statement(
                    self._offers,
                    definitions,
                    searchable,
                    replace(self._product, topics=self._topics_of(definitions)),
                    "normative" if name == "normative" else "full",
                )
        return self._description(definitions, ())

    def _description(self, definitions: Definitions, types: tuple[str, ...]) -> Json:
        return describe(self._routes, self._operations, definitions, self._product, types)


def _mode(pairs: Pairs) -> str:
    modes = [value for name, value in pairs if name == "mode"]
    if len(modes) > 1 or (modes and modes[0] not in _MODES):
        raise BadRequest("mode is full, normative or terminology.")
    return modes[0] if modes else "full"


def _reply(document: _Document, request: Request, content_type: tuple[bytes, bytes]) -> Reply:
    etag = (b"etag", document.etag)
    if document.etag in (request.header(b"if-none-match") or b""):
        return Reply(304, [etag])
    return Reply(200, [content_type, etag], document.content)
