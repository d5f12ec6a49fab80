"""history: versions, newest first, deletions among them; of one resource, of a type, of everything.

Each version is judged by its own content, and a deletion by what it deleted.

Spec: https://hl7.org/fhir/R4/http.html#history
"""

from dataclasses import replace

from fhirserver.auditing.trail import shown
from fhirserver.auth import Interaction, may_ever, visible
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.interactions.authorize import absent, require_conceivable, require_role
from fhirserver.interactions.context import Context
from fhirserver.interactions.tombstone import was_readable
from fhirserver.kernel.errors import NotFound
from fhirserver.kernel.history import HistoryQuery
from fhirserver.kernel.resource import Page, Stored


async def history(context: Context, asked: HistoryQuery) -> Page:
    """Return one page of the versions the caller may read.

    Raises `NotFound` when the history is that of one resource and the caller may read none of its versions, `Forbidden`
    when the role may read no resource of the type, and `BadRequest` for a cursor the store did not make.
    """
    if asked.type is None:
        asked = replace(asked, types=_readable_types(context))
    elif asked.id is None:
        require_role(context, "search", asked.type)
    else:
        require_conceivable(context, asked.type, asked.id)
    try:
        page = await context.store.history(context.access, asked)
    except NotFound:
        raise absent(asked.type or "", asked.id or "") from None
    if context.access.everything:
        shown(page.entries)
        return page
    letter: Interaction = "search" if asked.id is None else "read"
    entries = tuple([one for one in page.entries if await _readable(context, one, letter)])
    if asked.type is not None and asked.id is not None and not entries and asked.cursor is None:
        await _require_known(context, asked)
    shown(entries)
    return Page(entries, page.cursor)


def _readable_types(context: Context) -> frozenset[str]:
    types = frozenset(context.definitions.resource_types)
    if context.access.everything:
        return types
    return frozenset(
        one for one in types if may_ever(context.access, "search", one, belongs_to(one).kind)
    )


async def _require_known(context: Context, asked: HistoryQuery) -> None:
    """Raise `NotFound` unless the caller may read some version, of whatever time."""
    everything = HistoryQuery(asked.type, asked.id, asked.count)
    page = await context.store.history(context.access, everything)
    for stored in page.entries:
        if await _readable(context, stored, "read"):
            return
    raise absent(asked.type or "", asked.id or "")


async def _readable(context: Context, stored: Stored, interaction: Interaction) -> bool:
    if stored.deleted:
        return await was_readable(context, stored.type, stored.id, stored.version, interaction)
    return visible(context.access, stored.type, stored.content, interaction)
