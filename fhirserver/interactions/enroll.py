"""Device/{id}/$enroll: broker credentials for a device, shown once.

Only administrators enrol; enrolling again replaces the credentials, which is also how a lost device
is cut off.
"""

from fhirserver.interactions.context import Context
from fhirserver.interactions.parameters import parameters, values
from fhirserver.kernel.errors import Forbidden
from fhirserver.kernel.resource import Json

NOTHING: frozenset[str] = frozenset()


async def enroll(context: Context, device: str, body: Json | None) -> Json:
    """Return Parameters: username, password, tenant and device as the broker's topics spell them.

    Raises `Forbidden` (not an administrator), `BadRequest` (the operation takes no parameter),
    `NotFound`.
    """
    if not context.access.everything:
        message = "Only an administrator enrols devices."
        raise Forbidden(message)
    values(body, NOTHING)
    credential = await context.store.enroll_device(context.tenant, device)
    return parameters(
        ("username", "valueString", credential.username),
        ("password", "valueString", credential.password),
        ("tenant", "valueString", credential.tenant),
        ("device", "valueString", credential.device),
    )
