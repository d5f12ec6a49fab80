"""search: what matches, in one type, in several or in a compartment, in keyset pages.

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Sequence
from typing import NamedTuple

from fhirserver.auditing.trail import shown
from fhirserver.auth import may_ever
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.interactions.authorize import require_readable, require_role
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import Forbidden
from fhirserver.kernel.search_page import SearchPage
from fhirserver.search.query import Query, parse
from fhirserver.terminology import terminology_of

_TYPES = "_type"


class Found(NamedTuple):
    """What was asked, and one page of the answer."""

    query: Query
    page: SearchPage


async def search(
    context: Context,
    types: str | Sequence[str] | None,
    parameters: Sequence[tuple[str, str]],
    *,
    lenient: bool = False,
    compartment: tuple[str, str] | None = None,
) -> Found:
    """Return the matches that the caller may read, of `types` (None: of every type, or of those in ``_type``).

    `compartment` restricts them to what belongs to one resource, (type, id), which the caller must be able to read. A page
    may be shorter than asked for and still have a next one.

    Raises `BadRequest` (unknown parameter or bad value, named), `Forbidden` (role or scopes may read or search no resource
    of a type that the search names), `NotFound` (the compartment's owner), `TooCostly`.
    """
    if compartment is not None:
        type_, id_ = compartment
        require_role(context, "read", type_)
        require_readable(context, await context.store.read(context.access, type_, id_))
    query = parse(
        types or _every_type(context, parameters),
        parameters,
        context.definitions,
        base=context.base,
        terminology=terminology_of(context.definitions),
        lenient=lenient,
        compartment=compartment,
    )
    return Found(query, await run(context, query))


async def run(context: Context, query: Query) -> SearchPage:
    """Return the page of a query that was made otherwise. Raises as `search`."""
    for type_ in sorted(query.types_touched()):
        require_role(context, "read", type_)
    for type_ in sorted(query.types_searched()):
        require_role(context, "search", type_)
    if query.explain and context.principal.kind != "admin":
        msg = "_explain is for administrators."
        raise Forbidden(msg)
    page = await context.store.search(context.access, query)
    shown(page.entries)
    shown(page.included)
    return page


def _every_type(context: Context, parameters: Sequence[tuple[str, str]]) -> Sequence[str]:
    """Return the types a search of the whole system is about: where it names none, those the caller may read."""
    every: Sequence[str] = context.definitions.resource_types
    if any(name == _TYPES for name, _ in parameters):
        return every
    return [one for one in every if may_ever(context.access, "search", one, belongs_to(one).kind)]
