"""create: a new resource under an id the server makes; with a condition, only when nothing meets it yet.

Spec: https://hl7.org/fhir/R4/http.html#create
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fhirserver.interactions.admission import require_type, require_valid
from fhirserver.interactions.admitting import admitted
from fhirserver.interactions.authorize import require_role, require_writable
from fhirserver.interactions.conditional import Criteria, Pairs, criteria, the_match
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import Problem
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json, Stored


@dataclass(frozen=True, slots=True)
class Created:
    """What is there now, and what was noticed about the resource that was sent.

    `is_new` is False when a resource met the condition and nothing was stored.
    """

    stored: Stored
    is_new: bool
    warnings: Sequence[Problem] = ()


async def create(
    context: Context, resource_type: str, resource: Json, if_none_exist: Pairs | None = None
) -> Created:
    """Store `resource`, unless something meets `if_none_exist`; an id in it is ignored, as the specification says.

    Raises `BadRequest` (another type, unusable condition), `Forbidden`, `Unprocessable` (every problem located),
    `PreconditionFailed` (several resources meet the condition), and whatever the observer refuses.
    """
    require_type(resource, resource_type)
    require_role(context, "create", resource_type)
    wanted = None if if_none_exist is None else criteria(context, resource_type, if_none_exist)
    fresh = {name: value for name, value in resource.items() if name != "id"}
    warnings = require_valid(fresh, context.definitions)
    require_writable(context, "create", fresh)

    async def work(tx: Transaction) -> Created:
        if wanted is not None:
            found = await _existing(context, tx, wanted)
            if found is not None:
                return Created(found, is_new=False)
        allowed = await admitted(context, tx, fresh, None)
        return Created(await tx.put(allowed), is_new=True, warnings=warnings)

    return await context.store.write(context.tenant, work, touching=() if wanted is None else None)


async def _existing(context: Context, tx: Transaction, wanted: Criteria) -> Stored | None:
    await tx.claim([wanted.claim])
    return await the_match(context, wanted)
