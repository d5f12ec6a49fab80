"""vread: one version of one resource.

Each version is judged by its own content: a resource that was moved to another patient keeps its
earlier versions with the earlier one.

Spec: https://hl7.org/fhir/R4/http.html#vread
"""

from fhirserver.auditing.trail import shown
from fhirserver.interactions.authorize import absent, require_conceivable, require_readable
from fhirserver.interactions.context import Context
from fhirserver.interactions.tombstone import was_readable
from fhirserver.kernel.errors import Gone, NotFound
from fhirserver.kernel.resource import Stored


async def vread(context: Context, resource_type: str, id_: str, version: int) -> Stored:
    """Return that version.

    Raises `NotFound` (absent or not for this caller), `Gone` (the version is a deletion).
    """
    require_conceivable(context, resource_type, id_)
    try:
        stored = await context.store.vread(context.access, resource_type, id_, version)
    except NotFound:
        # In our own words: who may not see it must get the very same answer.
        raise absent(resource_type, id_) from None
    except Gone:
        if not await was_readable(context, resource_type, id_, version):
            raise absent(resource_type, id_) from None
        raise
    require_readable(context, stored)
    shown((stored,))
    return stored
