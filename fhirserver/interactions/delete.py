"""delete: a tombstone on top of the history; nothing is erased.

Deleting what does not exist succeeds, says the specification; deleting what the caller may not see
answers the same, because the two must not be told apart.

Spec: https://hl7.org/fhir/R4/http.html#delete
"""

from fhirserver.auth import visible
from fhirserver.interactions.authorize import require_role, require_writable
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import PreconditionFailed
from fhirserver.kernel.resource import Stored
from fhirserver.wire import fhir_json


async def delete(
    context: Context, resource_type: str, id_: str, if_match: int | None
) -> Stored | None:
    """Return the tombstone, None when there was nothing to delete for this caller.

    Raises `Forbidden` (visible, but not the caller's to delete) and `PreconditionFailed`
    (`if_match` is not the current version).
    """
    require_role(context, "delete", resource_type)
    async with context.store.transaction(context.tenant) as tx:
        current = await tx.get_stored(resource_type, id_, lock=True)
        if (
            current is None
            or current.deleted
            or not visible(context.access, resource_type, current.content)
        ):
            if if_match is not None:
                message = f"Version {if_match} is expected, but there is no such resource."
                raise PreconditionFailed(message)
            return None
        require_writable(context, "delete", fhir_json.read(current.content))
        if if_match is not None and if_match != current.version:
            message = f"Version {if_match} is expected, the current one is {current.version}."
            raise PreconditionFailed(message)
        return await tx.delete(resource_type, id_, if_match=if_match)
