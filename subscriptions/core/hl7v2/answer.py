"""What an answer to a message means: taken, to be tried again, or refused as whoever subscribes decided.

AA and CA: taken. AE and CE: the receiver cannot process this message; AR and CR: it takes no messages like this one. By
default both are tried again, since most of it can be mended at the receiver and nothing may be lost until then.

Spec: HL7 v2.6, 2.9 and 2.15.8; table 0357 for ERR-3.
"""

from dataclasses import dataclass
from typing import Final

from fhirserver.wire.hl7v2.acknowledgement import INTERNAL, LOCKED
from fhirserver.wire.hl7v2.alarm_status import AlarmStatus, read_alarm_status
from fhirserver.wire.hl7v2.message import Message
from subscriptions.core.delivery import Verdict
from subscriptions.core.hl7v2.asked import Asked, Policy

_TAKEN: Final = ("AA", "CA")
_ERROR: Final = ("AE", "CE")
_REJECTED: Final = ("AR", "CR")
# It is the receiver that fails, whatever the message is.
_PASSES: Final = (INTERNAL, LOCKED)
_VERDICTS: Final[dict[Policy, Verdict]] = {
    "retry": "try-again",
    "set-aside": "never-this",
    "stop": "never-here",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An acknowledgement: MSA-1, MSA-2, the codes of its ERR, and what it says of an alarm that a person acknowledged."""

    code: str
    control_id: str
    faults: tuple[str, ...]
    acknowledged: AlarmStatus | None

    @property
    def is_taken(self) -> bool:
        """Return whether the message was taken."""
        return self.code in _TAKEN


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a message was not taken, in our words, and what that means for its repetition."""

    reason: str
    verdict: Verdict


def answer_of(message: Message) -> Answer | None:
    """Return the answer that `message` is, None when it is none."""
    msa = message.first("MSA")
    code = None if msa is None else msa.text(1)
    if msa is None or code not in (*_TAKEN, *_ERROR, *_REJECTED):
        return None
    faults = tuple(text for err in message.all("ERR") if (text := err.text(3) or err.text(1, 4)))
    status = read_alarm_status(message)
    acknowledged = status if status is not None and status.is_acknowledged else None
    return Answer(code, msa.text(2) or "", faults, acknowledged)


def refused(answer: Answer, asked: Asked) -> Refused | None:
    """Return what a refusal means to whoever subscribed; None when the message was taken."""
    if answer.is_taken:
        return None
    reason = f"answered {answer.code}"
    policy = asked.on_reject if answer.code in _REJECTED else asked.on_error
    if any(fault in _PASSES for fault in answer.faults):
        return Refused(f"{reason}: it could not process anything", "try-again")
    return Refused(reason, _VERDICTS[policy])
