"""create: a new resource under an id the server makes.

Spec: https://hl7.org/fhir/R4/http.html#create
"""

from fhirserver.interactions.admission import require_type, require_valid
from fhirserver.interactions.authorize import require_role, require_writable
from fhirserver.interactions.context import Context
from fhirserver.kernel.resource import Json, Stored


async def create(context: Context, resource_type: str, resource: Json) -> Stored:
    """Return what was stored; an id in `resource` is ignored, as the specification says.

    Raises `BadRequest` (another type), `Forbidden`, `Unprocessable` (every problem located), and
    whatever the observer refuses.
    """
    require_type(resource, resource_type)
    require_role(context, "create", resource_type)
    fresh = {name: value for name, value in resource.items() if name != "id"}
    require_valid(fresh)
    require_writable(context, "create", fresh)
    async with context.store.transaction(context.tenant) as tx:
        admitted = await context.observer.admit(tx, context.principal, fresh, None)
        return await tx.put(admitted)
