"""$convert: a resource in another format.

The resource comes back as it was read; Content-Type says what it is written in, Accept (or
`_format`) what it shall become. Nothing is stored or looked up, nor is the resource validated.

Spec: https://hl7.org/fhir/R4/resource-operation-convert.html
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import CORE, SYSTEM, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.kernel.errors import BadRequest


async def convert(context: Context, call: Call) -> Answer:
    """Return the resource handed over. Raises `BadRequest` when R4 has no such type."""
    resource = call.parameters.resource("input")
    if resource is None or not context.definitions.is_resource_type(resource.get("resourceType")):
        raise BadRequest("This is a resource of no type that R4 has.", expression="resourceType")
    return Answer(resource)


CONVERT: Final = Operation(
    code="convert",
    levels=SYSTEM,
    types=None,
    affects_state=False,
    run=convert,
    inputs=(Input("input", "Resource", least=1, whole_body=True),),
    definition=CORE + "Resource-convert",
)
