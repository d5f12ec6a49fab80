"""history of one resource: its versions, newest first, deletions among them.

Spec: https://hl7.org/fhir/R4/http.html#history
"""

from fhirserver.auth import visible
from fhirserver.interactions.authorize import absent
from fhirserver.interactions.context import Context
from fhirserver.interactions.tombstone import was_readable
from fhirserver.kernel.errors import NotFound
from fhirserver.kernel.resource import Page, Stored


async def history(
    context: Context, resource_type: str, id_: str, *, count: int, cursor: str | None
) -> Page:
    """Return at most `count` versions the caller may read.

    Raises `NotFound` when the first page holds none of them, and `BadRequest` for a cursor the
    store did not make.
    """
    try:
        page = await context.store.history(
            context.access, resource_type, id_, count=count, cursor=cursor
        )
    except NotFound:
        raise absent(resource_type, id_) from None
    if context.access.everything:
        return page
    entries = tuple([stored for stored in page.entries if await _readable(context, stored)])
    if not entries and cursor is None:
        raise absent(resource_type, id_)
    return Page(entries, page.cursor)


async def _readable(context: Context, stored: Stored) -> bool:
    if stored.deleted:
        return await was_readable(context, stored.type, stored.id, stored.version)
    return visible(context.access, stored.type, stored.content)
