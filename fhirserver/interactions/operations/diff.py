"""$diff: what changed between two versions, or between two resources, as a FHIRPath Patch.

On an instance: from the version before (or `fromVersion`) to the current one. On the system: from
and to are references, with or without version, to resources of one type. `meta` is compared only
with `includeMeta`. Applying the answer to the first gives the second.

Spec: https://hl7.org/fhir/R4/fhirpatch.html
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, SYSTEM, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.operations.difference import difference
from fhirserver.interactions.read import read
from fhirserver.interactions.vread import vread
from fhirserver.kernel.errors import BadRequest, NotFound, Unprocessable
from fhirserver.kernel.resource import Json, Stored
from fhirserver.wire import fhir_json


async def diff(context: Context, call: Call) -> Answer:
    """Return Parameters with one `operation` per change, none when there is none.

    Raises `NotFound` and `Gone` for what is not there or not for this caller, `Unprocessable` for
    resources of different types.
    """
    first, second = await (_versions if call.id else _resources)(context, call)
    one, other = fhir_json.read(first.content), fhir_json.read(second.content)
    if not call.parameters.flag("includeMeta"):
        one.pop("meta", None)
        other.pop("meta", None)
    operations = difference(one, other, context.definitions)
    answer: Json = {"resourceType": "Parameters"}
    if operations:
        answer["parameter"] = operations
    return Answer(answer)


async def _versions(context: Context, call: Call) -> tuple[Stored, Stored]:
    given = call.parameters
    for name in ("from", "to"):
        if name in given:
            message = f"{name} is for $diff without a resource in the URL."
            raise BadRequest(message)
    current = await read(context, call.type, call.id)
    earlier = given.text("fromVersion")
    number = current.version - 1 if earlier is None else _number(earlier)
    if number < 1:
        message = f"{current.reference} has no version before the current one."
        raise NotFound(message)
    return await vread(context, call.type, call.id, number), current


async def _resources(context: Context, call: Call) -> tuple[Stored, Stored]:
    given = call.parameters
    if "fromVersion" in given or not ("from" in given and "to" in given):
        message = "Name what to compare as from and to, references such as Patient/1/_history/2."
        raise BadRequest(message)
    first = await _referred(context, given.text("from") or "")
    second = await _referred(context, given.text("to") or "")
    if first.type != second.type:
        message = "Only resources of one type can be compared."
        raise Unprocessable(message)
    return first, second


async def _referred(context: Context, reference: str) -> Stored:
    parts = reference.removeprefix(f"{context.base}/").split("/")
    if context.definitions.is_resource_type(parts[0]):
        if len(parts) == 2:
            return await read(context, parts[0], parts[1])
        if len(parts) == 4 and parts[2] == "_history":
            return await vread(context, parts[0], parts[1], _number(parts[3]))
    message = "from and to are references to resources here, such as Patient/1/_history/2."
    raise BadRequest(message)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        message = "There is no such version."
        raise NotFound(message)
    return int(text)


DIFF: Final = Operation(
    code="diff",
    levels=SYSTEM | INSTANCE,
    types=None,
    affects_state=False,
    run=diff,
    inputs=(
        Input("from", "string"),
        Input("to", "string"),
        Input("fromVersion", "string"),
        Input("includeMeta", "boolean"),
    ),
)
