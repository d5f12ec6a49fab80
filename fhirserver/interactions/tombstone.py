"""Who may know that a resource was deleted: whoever may read what it was just before.

A tombstone has no content of its own that could say whose it is.
"""

from fhirserver.auth import Interaction, visible
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import Gone, NotFound
from fhirserver.kernel.history import HistoryQuery


async def was_readable(
    context: Context,
    resource_type: str,
    id_: str,
    version: int | None,
    interaction: Interaction = "read",
) -> bool:
    """Return whether the caller may read (or search) what lies under the tombstone (None: the current one)."""
    if context.access.everything:
        return True
    try:
        if version is None:
            page = await context.store.history(
                context.access, HistoryQuery(resource_type, id_, count=1)
            )
            if not page.entries:
                return False
            version = page.entries[0].version
        before = await context.store.vread(context.access, resource_type, id_, version - 1)
    except (NotFound, Gone):
        return False
    return visible(context.access, resource_type, before.content, interaction)
