"""Flag/[id]/$why: which rule raised this alert, on which values, who was told and why they.

For whoever may see the Flag; of people and messages it tells what the caller may see.
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from subscriptions.response.incident_record import explain


async def why(context: Context, call: Call) -> Answer:
    """Return Parameters. Raises `NotFound`, `Gone`, `Forbidden`."""
    return Answer((await explain(context, call.id)).why)


WHY: Final = Operation("why", INSTANCE, frozenset({"Flag"}), affects_state=False, run=why)
