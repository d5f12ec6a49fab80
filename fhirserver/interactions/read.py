"""read: the current version of one resource.

Spec: https://hl7.org/fhir/R4/http.html#read
"""

from fhirserver.auditing.trail import shown
from fhirserver.interactions.authorize import absent, require_conceivable, require_readable
from fhirserver.interactions.context import Context
from fhirserver.interactions.tombstone import was_readable
from fhirserver.kernel.errors import Gone, NotFound
from fhirserver.kernel.resource import Stored


async def read(context: Context, resource_type: str, id_: str) -> Stored:
    """Return the current version.

    Raises `NotFound` (absent or not for this caller), `Gone` (deleted).
    """
    require_conceivable(context, resource_type, id_)
    try:
        stored = await context.store.read(context.access, resource_type, id_)
    except NotFound:
        # In our own words: who may not see it must get the very same answer.
        raise absent(resource_type, id_) from None
    except Gone:
        if not await was_readable(context, resource_type, id_, None):
            raise absent(resource_type, id_) from None
        raise
    require_readable(context, stored)
    shown((stored,))
    return stored
