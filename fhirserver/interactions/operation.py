"""What an operation is: its name, where it may be called, what it takes, and what runs it.

Every `$operation` of the server is one `Operation` in the tuple of `fhirserver.interactions.operations`;
routes, the CapabilityStatement and the OpenAPI document are told from that tuple. Parameters arrive in
a query, in a Parameters resource or, where an operation takes exactly one resource, as that resource
itself; `call_of` brings all three into one view and refuses what was not declared.

Spec: https://hl7.org/fhir/R4/operations.html
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation_parameters import Input, Parameters, read_body, read_pairs
from fhirserver.kernel.errors import BadRequest, Forbidden
from fhirserver.kernel.resource import Json
from fhirserver.kernel.search_page import SearchPage
from fhirserver.search.asked import Query

Level = Literal["system", "type", "instance"]

SYSTEM: Final[frozenset[Level]] = frozenset({"system"})
TYPE: Final[frozenset[Level]] = frozenset({"type"})
INSTANCE: Final[frozenset[Level]] = frozenset({"instance"})
FHIR_JSON: Final = "application/fhir+json"
CORE: Final = "http://hl7.org/fhir/OperationDefinition/"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what the URL names ("" where it names nothing) and what was handed over.

    `parameters` holds what the operation declares. `pairs` are the query parameters as given, in
    order, for operations that take search parameters; `body` is the body as it came, None without.
    `content` and `media_type` (lower case, without parameters) are the body of an operation that reads it
    itself.
    """

    type: str
    id: str
    parameters: Parameters
    body: Json | None = None
    pairs: Sequence[tuple[str, str]] = ()
    content: bytes = b""
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation says: a resource, one ready as JSON bytes, matches, or nothing (`status` 204).

    `page` is rendered as the searchset of `query`, whose `applied` pairs make the links. `headers`
    are HTTP header names (lower case) and values beyond those of every answer. `media_type` is
    that of `content` where it is no FHIR resource.
    """

    resource: Json | None = None
    content: bytes | None = None
    page: SearchPage | None = None
    query: Query | None = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = FHIR_JSON


Run = Callable[[Context, Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, `code` without the dollar sign.

    `types` None means every resource type; it is about the type and instance levels. `affects_state`
    operations are not for GET. `delete` is what DELETE on the same URL does. `administrators`:
    nobody else may call it. `takes_search`: names that `inputs` does not declare are search
    parameters, left to the operation in `Call.pairs`.
    `own_body`: it reads the body itself, which is no FHIR resource. `definition` is the canonical of
    its OperationDefinition.
    """

    code: str
    levels: frozenset[Level]
    types: frozenset[str] | None
    affects_state: bool
    run: Run
    inputs: tuple[Input, ...] = ()
    definition: str = ""
    administrators: bool = False
    takes_search: bool = False
    delete: Run | None = None
    own_body: bool = False


async def perform(
    operation: Operation,
    context: Context,
    resource_type: str,
    id_: str,
    pairs: Sequence[tuple[str, str]],
    body: Json | None,
    run: Run,
    own_body: tuple[bytes, str] = (b"", ""),
) -> Answer:
    """Run `operation` for one request: `run` is its `run` or its `delete`.

    `own_body` is what such an operation reads itself: bytes and media type.

    Raises `Forbidden` (for administrators alone), `BadRequest` (a parameter that is not declared, of
    another type, missing or given too often), and whatever the operation refuses.
    """
    if operation.administrators and not context.access.everything:
        message = f"Only an administrator may use ${operation.code}."
        raise Forbidden(message)
    call = call_of(operation, resource_type, id_, pairs, body)
    content, media_type = own_body
    return await run(context, replace(call, content=content, media_type=media_type))


def call_of(
    operation: Operation,
    resource_type: str,
    id_: str,
    pairs: Sequence[tuple[str, str]],
    body: Json | None,
) -> Call:
    """Return the call that a query and a body make. Raises `BadRequest`."""
    declared = {one.name: one for one in operation.inputs}
    known = [pair for pair in pairs if pair[0] in declared]
    others = [pair for pair in pairs if pair[0] not in declared]
    if others and not operation.takes_search:
        message = (
            f"${operation.code} has no parameter {others[0][0]!r}. "
            f"Known parameters are: {', '.join(sorted(declared)) or 'none'}."
        )
        raise BadRequest(message)
    rows = [
        *read_pairs(known, declared),
        *read_body(body, operation.inputs, f"${operation.code}"),
    ]
    return Call(resource_type, id_, Parameters.of(rows, operation.inputs), body, tuple(pairs))
