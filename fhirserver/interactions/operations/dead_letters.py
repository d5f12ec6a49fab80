"""$dead-letters: how many messages could not be processed, by door, sender and reason, for administrators.

The messages themselves stay sealed; nothing here names a patient.
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import SYSTEM, Answer, Call, Operation
from fhirserver.interactions.parameters import Row, groups
from fhirserver.kernel.instant import instant
from fhirserver.kernel.ports import DeadLetterCount


async def dead_letters(context: Context, _call: Call) -> Answer:
    """Return Parameters with one `dead-letter` per door, sender and reason: its count and the last receipt."""
    counted = await context.store.dead_letters(context.tenant)
    return Answer(groups("dead-letter", [_parts(one) for one in counted]))


def _parts(one: DeadLetterCount) -> list[Row]:
    return [
        ("door", "valueCode", one.door),
        ("source", "valueString", one.source),
        ("reason", "valueCode", one.reason),
        ("count", "valuePositiveInt", one.count),
        ("last", "valueInstant", instant(one.last)),
    ]


DEAD_LETTERS: Final = Operation(
    "dead-letters", SYSTEM, None, affects_state=False, run=dead_letters, administrators=True
)
