"""Device/{id}/$enroll: broker credentials for a device, shown once.

Only administrators enrol; enrolling again replaces the credentials, which is also how a lost device
is cut off. A gateway is enrolled with the devices `behind` it and speaks for all of them over one
connection; enrolling it again replaces that list.
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.parameters import parameters


async def enroll(context: Context, call: Call) -> Answer:
    """Return Parameters: username, password, tenant and device as the broker's topics spell them.

    Raises `NotFound`, and `Unprocessable` for a device without an address or too many behind one.
    """
    behind = tuple(one.removeprefix("Device/") for one in call.parameters.texts("behind"))
    credential = await context.store.enroll_device(context.tenant, call.id, behind)
    return Answer(
        parameters(
            ("username", "valueString", credential.username),
            ("password", "valueString", credential.password),
            ("tenant", "valueString", credential.tenant),
            ("device", "valueString", credential.device),
        )
    )


ENROLL: Final = Operation(
    "enroll",
    INSTANCE,
    frozenset({"Device"}),
    affects_state=True,
    run=enroll,
    inputs=(Input("behind", most=None),),
    administrators=True,
)
