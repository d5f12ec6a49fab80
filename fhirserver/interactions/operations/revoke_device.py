"""Device/{id}/$revoke-device: the broker lets a device in no more, alone or behind a gateway.

Its connection ends within seconds and what it says counts no more. Enrolling it again gives it new credentials.
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from fhirserver.interactions.parameters import parameters


async def revoke_device(context: Context, call: Call) -> Answer:
    """Return Parameters: device. Raises `NotFound` for one that is not enrolled."""
    await context.store.revoke_device(context.tenant, call.id)
    return Answer(parameters(("device", "valueString", call.id)))


REVOKE_DEVICE: Final = Operation(
    "revoke-device",
    INSTANCE,
    frozenset({"Device"}),
    affects_state=True,
    run=revoke_device,
    administrators=True,
)
