"""search: the resources of one type that match, in keyset pages.

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Sequence

from fhirserver.auth import visible
from fhirserver.interactions.authorize import require_role
from fhirserver.interactions.context import Context
from fhirserver.kernel.resource import Page
from fhirserver.search.query import parse


async def search(
    context: Context, resource_type: str, parameters: Sequence[tuple[str, str]]
) -> Page:
    """Return the matches that the caller may read.

    A page may be shorter than asked for and still have a next one.

    Raises `BadRequest` (unknown parameter or bad value, named) and `Forbidden` (the role may read
    no resource of the type, whatever the patient).
    """
    require_role(context, "read", resource_type)
    query = parse(resource_type, parameters, context.definitions, base=context.base)
    page = await context.store.search(context.access, query)
    if context.access.everything:
        return page
    entries = tuple(
        stored for stored in page.entries if visible(context.access, resource_type, stored.content)
    )
    return Page(entries, page.cursor)
