"""What a receiver of alarms says back of one: that it came, or that a person has acknowledged it.

IHE PCD-04 is answered by ORA^R41, later news by another one or by ORA^R42 (PCD-05). MSA-2 is the control id of the alarm's
message. A person acknowledges who is named in PRT-5, or by whom the state of the alarm (68483) changed.
"""

from dataclasses import dataclass
from typing import Final

from fhirserver.wire.hl7v2.message import Message
from fhirserver.wire.hl7v2.nomenclature import ACTIVITY

_EVENTS: Final = ("R41", "R42")
_TAKEN: Final = ("AA", "CA")
_ACKNOWLEDGED: Final = "alert-acknowledged"


@dataclass(frozen=True, slots=True)
class AlarmStatus:
    """What is said of the alarm that the message `control_id` told of; `who` acknowledged it, "" for nobody named."""

    control_id: str
    is_acknowledged: bool
    who: str


def is_alarm_status(message: Message) -> bool:
    """Return whether `message` is of this kind, whatever stands in it."""
    return (message.header.text(9), message.header.text(9, 2)) in {
        ("ORA", event) for event in _EVENTS
    }


def read_alarm_status(message: Message) -> AlarmStatus | None:
    """Return what `message` says of an alarm, None where it is of another kind or names no message."""
    msa = message.first("MSA")
    control_id = None if msa is None else msa.text(2)
    if not is_alarm_status(message) or msa is None or not control_id:
        return None
    names = (prt.text(5, 2) or prt.text(5) for prt in message.all("PRT"))
    who = next((name for name in names if name), "")
    said = bool(who) or any(
        obx.text(3) == ACTIVITY and (obx.text(5) or "").strip().lower() == _ACKNOWLEDGED
        for obx in message.all("OBX")
    )
    return AlarmStatus(control_id, said and msa.text(1) in _TAKEN, who)
