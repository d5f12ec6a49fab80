"""$shred, $rotate-key, $rekey: what administrators do to keys, as jobs.

`$shred` destroys the keys of one patient for good; it asks for the patient's id a second time. `$rotate-key` replaces
the tenant's wrapping key, its own data key or a patient's; `$rekey` the key of the search index.
"""

from typing import Final

import orjson

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, SYSTEM, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.operations.job import accepted
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json

KEYS: Final = ("wrapping", "tenant", "patient")


async def shred(context: Context, call: Call) -> Answer:
    """Start a job and answer 202 with where to ask about it.

    The patient need not be readable any more. Raises `BadRequest` when `confirm` is not the patient's id.
    """
    if call.parameters.text("confirm") != call.id:
        message = (
            "This destroys the patient's record for good; say so by giving the id again as confirm."
        )
        raise BadRequest(message)
    return await _started(context, "shred", {"patient": call.id})


async def rotate_key(context: Context, call: Call) -> Answer:
    """Start a job and answer 202. Raises `BadRequest` for a `key` or `patient` that is missing."""
    key, patient = call.parameters.text("key"), call.parameters.text("patient")
    if key not in KEYS or (key == "patient") != bool(patient):
        message = "key is wrapping, tenant, or patient together with the id of the patient."
        raise BadRequest(message)
    return await _started(context, "rotate", {"key": key, "patient": patient})


async def rekey(context: Context, _call: Call) -> Answer:
    """Start a job and answer 202."""
    return await _started(context, "rekey", {})


async def _started(context: Context, kind: str, request: Json) -> Answer:
    id_ = await context.store.jobs.submit(
        context.tenant, kind, orjson.dumps(request), context.principal
    )
    return accepted(context.base, id_)


SHRED: Final = Operation(
    "shred",
    INSTANCE,
    frozenset({"Patient"}),
    affects_state=True,
    run=shred,
    inputs=(Input("confirm", "id"),),
    administrators=True,
)
ROTATE_KEY: Final = Operation(
    "rotate-key",
    SYSTEM,
    None,
    affects_state=True,
    run=rotate_key,
    inputs=(Input("key", "code"), Input("patient", "id")),
    administrators=True,
)
REKEY: Final = Operation(
    "rekey", SYSTEM, None, affects_state=True, run=rekey, inputs=(), administrators=True
)
