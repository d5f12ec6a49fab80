"""The route table: every URL shape of the FHIR API, and the interaction behind it.

The table serves twice: requests are dispatched by it and the CapabilityStatement is told from it.
Handlers only translate between HTTP and `fhirserver.interactions`.

Spec: https://hl7.org/fhir/R4/http.html#summary
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from fhirserver.interactions.capability_statement import Offer
from fhirserver.interactions.context import Context
from fhirserver.interactions.create import create
from fhirserver.interactions.dead_letters import dead_letters
from fhirserver.interactions.delete import delete
from fhirserver.interactions.enroll import enroll
from fhirserver.interactions.history import history
from fhirserver.interactions.issue_token import issue_token
from fhirserver.interactions.read import read
from fhirserver.interactions.search import search
from fhirserver.interactions.update import Expected, update
from fhirserver.interactions.vread import vread
from fhirserver.kernel.errors import BadRequest, NotFound, UnsupportedMediaType
from fhirserver.rest import negotiation, replies
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import Pairs, Request, parse_pairs

HISTORY_COUNT: Final = 50
HISTORY_MOST: Final = 500

Handler = Callable[[Request, Context], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """`method` on URLs of `shape` runs `handler(request, context)`.

    `code` is the interaction's code in a CapabilityStatement, or the operation's name. GET routes
    answer HEAD too.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    shape: str
    code: str
    level: Literal["system", "type", "instance"]
    handler: Handler
    operation: bool = False
    types: frozenset[str] | None = None


def offers(routes: tuple[Route, ...]) -> tuple[Offer, ...]:
    """Return what the table offers, each interaction once."""
    return tuple(
        dict.fromkeys(
            Offer(route.code, route.level, route.operation, route.types) for route in routes
        )
    )


async def _read(request: Request, context: Context) -> Reply:
    request.no_parameters()
    stored = await read(context, request.resource_type, request.id)
    if negotiation.has_version(request.header(b"if-none-match"), stored.version):
        return replies.not_modified(stored)
    return replies.representation(stored)


async def _vread(request: Request, context: Context) -> Reply:
    request.no_parameters()
    if not (request.vid.isascii() and request.vid.isdigit() and len(request.vid) < 10):
        message = f"There is no version {request.vid!r}."
        raise NotFound(message)
    stored = await vread(context, request.resource_type, request.id, int(request.vid))
    return replies.representation(stored)


async def _create(request: Request, context: Context) -> Reply:
    request.no_parameters()
    if request.header(b"if-none-exist") is not None:
        message = "Conditional create (If-None-Exist) is not supported; nothing was stored."
        raise BadRequest(message)
    resource = await request.resource()
    stored = await create(context, request.resource_type, resource)
    wish = negotiation.preferred_return(request.header(b"prefer"))
    return replies.written(stored, created=True, base=context.base, wish=wish)


async def _update(request: Request, context: Context) -> Reply:
    request.no_parameters()
    expected = Expected(
        version=negotiation.version_in(request.header(b"if-match")),
        absent=negotiation.must_be_absent(request.header(b"if-none-match")),
    )
    resource = await request.resource()
    result = await update(context, request.resource_type, request.id, resource, expected)
    wish = negotiation.preferred_return(request.header(b"prefer"))
    return replies.written(result.stored, created=result.created, base=context.base, wish=wish)


async def _delete(request: Request, context: Context) -> Reply:
    request.no_parameters()
    if_match = negotiation.version_in(request.header(b"if-match"))
    tombstone = await delete(context, request.resource_type, request.id, if_match)
    return replies.deleted(tombstone, negotiation.preferred_return(request.header(b"prefer")))


async def _history(request: Request, context: Context) -> Reply:
    pairs = request.pairs()
    count, cursor = _history_page(pairs)
    page = await history(context, request.resource_type, request.id, count=count, cursor=cursor)
    return replies.history_bundle(page, context.base, request.resource_type, request.id, pairs)


async def _search(request: Request, context: Context) -> Reply:
    return await _search_by(request, request.pairs(), context)


async def _search_by_form(request: Request, context: Context) -> Reply:
    pairs = request.pairs()
    content = await request.body()
    if content and not negotiation.is_form(request.header(b"content-type")):
        message = f"Send search parameters as {negotiation.FORM}."
        raise UnsupportedMediaType(message)
    for name, value in parse_pairs(content):
        if name == "_format":
            negotiation.require_format(value)
        else:
            pairs.append((name, value))
    return await _search_by(request, pairs, context)


async def _search_by(request: Request, pairs: Pairs, context: Context) -> Reply:
    page = await search(context, request.resource_type, pairs)
    return replies.searchset(page, context.base, request.resource_type, pairs)


async def _enroll(request: Request, context: Context) -> Reply:
    request.no_parameters()
    return replies.resource(await enroll(context, request.id, await request.optional_resource()))


async def _issue_token(request: Request, context: Context) -> Reply:
    request.no_parameters()
    return replies.resource(await issue_token(context, await request.optional_resource()))


async def _dead_letters(request: Request, context: Context) -> Reply:
    request.no_parameters()
    return replies.resource(await dead_letters(context))


def _history_page(pairs: Pairs) -> tuple[int, str | None]:
    count, cursor = HISTORY_COUNT, None
    for name, value in pairs:
        if name == "_count":
            if not (
                value.isascii() and value.isdigit() and int(value[:9]) >= 1 and len(value) < 10
            ):
                message = "_count is a positive number."
                raise BadRequest(message)
            count = min(int(value), HISTORY_MOST)
        elif name == "_cursor":
            cursor = value
        else:
            message = f"The parameter {name!r} is not supported by history."
            raise BadRequest(message)
    return count, cursor


TYPE: Final = "{type}"
SEARCH: Final = "{type}/_search"
INSTANCE: Final = "{type}/{id}"
HISTORY: Final = "{type}/{id}/_history"
VERSION: Final = "{type}/{id}/_history/{vid}"

ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", INSTANCE, "read", "instance", _read),
    Route("GET", VERSION, "vread", "instance", _vread),
    Route("PUT", INSTANCE, "update", "instance", _update),
    Route("DELETE", INSTANCE, "delete", "instance", _delete),
    Route("GET", HISTORY, "history-instance", "instance", _history),
    Route("POST", TYPE, "create", "type", _create),
    Route("GET", TYPE, "search-type", "type", _search),
    Route("POST", SEARCH, "search-type", "type", _search_by_form),
    Route(
        "POST",
        "{type}/{id}/$enroll",
        "enroll",
        "instance",
        _enroll,
        operation=True,
        types=frozenset({"Device"}),
    ),
    Route("POST", "$issue-token", "issue-token", "system", _issue_token, operation=True),
    Route("GET", "$dead-letters", "dead-letters", "system", _dead_letters, operation=True),
)
