"""How often an alarm that goes on is told again by ORU^R40. Pure.

Spec: "Dialysis Machine HL7 Implementation Guidelines" Rev 4.0, chapter 7: every 10 to 30 seconds while it is active.
"""

from typing import Final

from fhirserver.kernel.canonical import CHANNEL_TYPES
from subscriptions.core.client_subscription import Wishes
from subscriptions.core.hl7v2.asked import asked, header_faults

CODE: Final = f"{CHANNEL_TYPES}|hl7v2"
SHORTEST: Final = 10
LONGEST: Final = 30
USUAL: Final = 20


def period_of(wishes: Wishes) -> int | None:
    """Return after how many seconds alarms that go on are told again, None where `wishes` is not about alarms of HL7 v2."""
    if wishes.way != CODE or any(header_faults(wishes.headers, wishes.topic)):
        return None
    return (wishes.heartbeat or USUAL) if asked(wishes.headers).kind == "ORU^R40" else None
