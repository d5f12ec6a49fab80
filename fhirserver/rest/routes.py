"""The route table: every URL shape of the FHIR API, and the interaction behind it.

The table serves twice: requests are dispatched by it and the CapabilityStatement is told from it.
Handlers only translate between HTTP and `fhirserver.interactions`.

Spec: https://hl7.org/fhir/R4/http.html#summary
"""

from collections.abc import Sequence
from typing import Final

from fhirserver.interactions import patch as patching
from fhirserver.interactions.bundle import pairs_of
from fhirserver.interactions.capability_statement import Offer
from fhirserver.interactions.context import Context
from fhirserver.interactions.create import create
from fhirserver.interactions.delete import delete, delete_where
from fhirserver.interactions.operations import OPERATIONS
from fhirserver.interactions.patch import patch, patch_where
from fhirserver.interactions.read import read
from fhirserver.interactions.search import search
from fhirserver.interactions.update import Expected, Updated, update, update_where
from fhirserver.interactions.vread import vread
from fhirserver.kernel.errors import NotFound
from fhirserver.kernel.resource import Json
from fhirserver.rest import bundles, negotiation, replies
from fhirserver.rest.bundle_requests import post_bundle
from fhirserver.rest.history_requests import get_history
from fhirserver.rest.negotiation import Return
from fhirserver.rest.operation_routes import operation_routes
from fhirserver.rest.preferences import preferences
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import Pairs, Request
from fhirserver.rest.route import Route

PATCH_FORMATS: Final = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/fhir+json",
    "application/fhir+xml",
)
"""What PATCH takes; FHIR resources are FHIRPath Patches."""

_MOST_DIGITS: Final = 9


def conditional_capabilities(routes: tuple[Route, ...]) -> Json:
    """Return the conditional* elements that every resource type of a CapabilityStatement has."""
    codes = {route.code for route in routes if route.conditional}
    return {
        "conditionalCreate": any(route.code == "create" for route in routes),
        "conditionalRead": "full-support",
        "conditionalUpdate": "update" in codes,
        "conditionalDelete": "single" if "delete" in codes else "not-supported",
    }


def offers(routes: tuple[Route, ...]) -> tuple[Offer, ...]:
    """Return what the table offers, each interaction once; conditional forms are told apart from it."""
    return tuple(
        dict.fromkeys(
            Offer(code, route.level, route.operation, route.types)
            for route in routes
            if not route.conditional
            for code in (route.code, *route.also)
        )
    )


async def _read(request: Request, context: Context) -> Reply:
    stored = await read(context, request.resource_type, request.id)
    return replies.read_answer(request, stored)


async def _vread(request: Request, context: Context) -> Reply:
    vid = request.vid
    if not (vid.isascii() and vid.isdigit() and len(vid) <= _MOST_DIGITS):
        message = f"There is no version {vid!r}."
        raise NotFound(message)
    stored = await vread(context, request.resource_type, request.id, int(vid))
    return replies.read_answer(request, stored)


async def _create(request: Request, context: Context) -> Reply:
    request.no_parameters()
    condition = request.header(b"if-none-exist")
    resource = await request.resource()
    result = await create(
        context,
        request.resource_type,
        resource,
        None if condition is None else _condition(condition),
    )
    return replies.written(
        result.stored,
        created=result.is_new,
        base=context.base,
        wish=_wish(request),
        warnings=result.warnings,
    )


async def _update(request: Request, context: Context) -> Reply:
    request.no_parameters()
    expected = _expected(request)
    resource = await request.resource()
    result = await update(context, request.resource_type, request.id, resource, expected)
    return _updated(request, context, result)


async def _update_where(request: Request, context: Context) -> Reply:
    condition, expected = request.pairs(), _expected(request)
    resource = await request.resource()
    result = await update_where(context, request.resource_type, resource, condition, expected)
    return _updated(request, context, result)


async def _patch(request: Request, context: Context) -> Reply:
    request.no_parameters()
    expected, change = _expected(request), await _change(request)
    result = await patch(context, request.resource_type, request.id, change, expected)
    return _updated(request, context, result)


async def _patch_where(request: Request, context: Context) -> Reply:
    condition, expected = request.pairs(), _expected(request)
    change = await _change(request)
    result = await patch_where(context, request.resource_type, condition, change, expected)
    return _updated(request, context, result)


def _updated(request: Request, context: Context, result: Updated) -> Reply:
    return replies.written(
        result.stored,
        created=result.created,
        base=context.base,
        wish=_wish(request),
        warnings=result.warnings,
    )


async def _delete(request: Request, context: Context) -> Reply:
    request.no_parameters()
    if_match = negotiation.version_in(request.header(b"if-match"))
    tombstone = await delete(context, request.resource_type, request.id, if_match)
    return replies.deleted(tombstone, _wish(request))


async def _delete_where(request: Request, context: Context) -> Reply:
    if_match = negotiation.version_in(request.header(b"if-match"))
    tombstone = await delete_where(context, request.resource_type, request.pairs(), if_match)
    return replies.deleted(tombstone, _wish(request))


async def _search(request: Request, context: Context) -> Reply:
    return await _search_by(request, request.pairs(), context)


async def _search_by_form(request: Request, context: Context) -> Reply:
    return await _search_by(request, await request.form_pairs(), context)


async def _search_by(request: Request, pairs: Pairs, context: Context) -> Reply:
    """Search a type, everything (no type), or what belongs to one resource (a type, an id and an inner type)."""
    inside = (request.resource_type, request.id) if request.id else None
    type_ = request.inner if inside is not None else request.resource_type
    is_lenient = preferences(request.header(b"prefer")).is_lenient
    types = None if type_ in ("", "*") else type_
    found = await search(context, types, pairs, lenient=is_lenient, compartment=inside)
    path = "/".join(one for one in (request.resource_type, request.id, request.inner) if one)
    return bundles.searchset(found.page, context.base, path, found.query)


def _wish(request: Request) -> Return:
    return preferences(request.header(b"prefer")).returns or "representation"


def _expected(request: Request) -> Expected:
    return Expected(
        version=negotiation.version_in(request.header(b"if-match")),
        absent=negotiation.must_be_absent(request.header(b"if-none-match")),
    )


def _condition(header: bytes) -> Sequence[tuple[str, str]]:
    """Return the search parameters of an If-None-Exist header; clients also send them behind ``Type?``."""
    text = header.decode("latin-1").strip()
    return pairs_of(text.rpartition("?")[2])


async def _change(request: Request) -> patching.Change:
    given = await request.patch()
    return patching.Change(given.kind, given.document)


SYSTEM: Final = ""
TYPE: Final = "{type}"
INSTANCE: Final = "{type}/{id}"
VERSION: Final = "{type}/{id}/_history/{vid}"
COMPARTMENT: Final = "{type}/{id}/{inner}"
COMPARTMENTS: Final = frozenset({"Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"})

INTERACTIONS: Final[tuple[Route, ...]] = (
    Route("GET", INSTANCE, "read", "instance", _read, affects_state=False),
    Route("GET", VERSION, "vread", "instance", _vread, affects_state=False),
    Route("PUT", INSTANCE, "update", "instance", _update),
    Route("PATCH", INSTANCE, "patch", "instance", _patch),
    Route("DELETE", INSTANCE, "delete", "instance", _delete),
    Route("GET", INSTANCE + "/_history", "history-instance", "instance", get_history, affects_state=False),
    Route("GET", TYPE + "/_history", "history-type", "type", get_history, affects_state=False),
    Route("POST", TYPE, "create", "type", _create),
    Route("GET", TYPE, "search-type", "type", _search, affects_state=False),
    Route("POST", TYPE + "/_search", "search-type", "type", _search_by_form, affects_state=False),
    Route("PUT", TYPE, "update", "type", _update_where, conditional=True),
    Route("PATCH", TYPE, "patch", "type", _patch_where, conditional=True),
    Route("DELETE", TYPE, "delete", "type", _delete_where, conditional=True),
    Route("GET", COMPARTMENT, "search-type", "type", _search, types=COMPARTMENTS, affects_state=False, conditional=True),
    Route("POST", COMPARTMENT + "/_search", "search-type", "type", _search_by_form, types=COMPARTMENTS,
          affects_state=False, conditional=True),
    Route("POST", SYSTEM, "transaction", "system", post_bundle, also=("batch",)),
    Route("GET", "_history", "history-system", "system", get_history, affects_state=False),
    Route("GET", SYSTEM, "search-system", "system", _search, affects_state=False),
    Route("POST", "_search", "search-system", "system", _search_by_form, affects_state=False),
)  # fmt: skip

ROUTES: Final[tuple[Route, ...]] = (*INTERACTIONS, *operation_routes(OPERATIONS))
