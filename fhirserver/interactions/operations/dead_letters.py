"""$dead-letters: how many messages could not be processed, by door, sender and reason, for administrators.

The messages themselves stay sealed; nothing here names a patient.
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import SYSTEM, Answer, Call, Operation
from fhirserver.kernel.ports import DeadLetterCount
from fhirserver.kernel.resource import Json


async def dead_letters(context: Context, _call: Call) -> Answer:
    """Return Parameters with one `dead-letter` per door, sender and reason: its count and the last receipt."""
    counted = await context.store.dead_letters(context.tenant)
    found: Json = {"resourceType": "Parameters"}
    if counted:
        found["parameter"] = [{"name": "dead-letter", "part": _parts(one)} for one in counted]
    return Answer(found)


def _parts(one: DeadLetterCount) -> list[Json]:
    return [
        {"name": "door", "valueCode": one.door},
        {"name": "source", "valueString": one.source},
        {"name": "reason", "valueCode": one.reason},
        {"name": "count", "valuePositiveInt": one.count},
        {"name": "last", "valueInstant": one.last.isoformat().replace("+00:00", "Z")},
    ]


DEAD_LETTERS: Final = Operation(
    "dead-letters", SYSTEM, None, affects_state=False, run=dead_letters, administrators=True
)
