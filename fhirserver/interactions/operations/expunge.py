"""$expunge: removes deleted resources and previous versions for good, for administrators, as a job.

What an investigation relies on stays: AuditEvent, Provenance and Flag are refused, and readings that
are the evidence of a Flag are passed over.
"""

from typing import Final

import orjson

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, SYSTEM, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.operations.job import accepted
from fhirserver.kernel.errors import BadRequest, Unprocessable
from fhirserver.kernel.evidence import EVIDENCE_TYPES

KIND: Final = "expunge"
LIMIT: Final = 1_000


async def expunge(context: Context, call: Call) -> Answer:
    """Start a job and answer 202 with where to ask about it.

    Raises `BadRequest` (nothing to do was named), `Unprocessable` (evidence).
    """
    given = call.parameters
    deleted = given.flag("expungeDeletedResources")
    previous = given.flag("expungePreviousVersions")
    if not deleted and not previous:
        message = "Say expungeDeletedResources, expungePreviousVersions, or both."
        raise BadRequest(message)
    if call.type in EVIDENCE_TYPES:
        message = f"{call.type} is what an investigation relies on; it is never expunged."
        raise Unprocessable(message)
    request = {
        "type": call.type or None,
        "id": call.id or None,
        "deleted": deleted,
        "previous": previous,
        "limit": given.number("limit") or LIMIT,
    }
    id_ = await context.store.jobs.submit(
        context.tenant, KIND, orjson.dumps(request), context.principal
    )
    return accepted(context.base, id_)


EXPUNGE: Final = Operation(
    "expunge",
    SYSTEM | TYPE | INSTANCE,
    None,
    affects_state=True,
    run=expunge,
    inputs=(
        Input("expungeDeletedResources", "boolean"),
        Input("expungePreviousVersions", "boolean"),
        Input("limit", "positiveInt"),
    ),
    administrators=True,
)
