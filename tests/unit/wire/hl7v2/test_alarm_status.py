"""What a receiver of alarms says back of one."""

import pytest

from fhirserver.wire.hl7v2.alarm_status import AlarmStatus, is_alarm_status, read_alarm_status
from fhirserver.wire.hl7v2.message import Message, read

STATE = "OBX|1|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC||alert-acknowledged"
PERSON = "PRT|1|UC||AAP|77^Ruiz^Nina"


def message(*segments: str, kind: str = "ORA^R41^ORA_R41") -> Message:
    head = f"MSH|^~\\&|ACM|WARD|||20260801090000+0000||{kind}|s-1|P|2.6"
    return read("\r".join([head, *segments]))


@pytest.mark.parametrize(
    ("segments", "status"),
    [
        (["MSA|AA|a-1"], AlarmStatus("a-1", is_acknowledged=False, who="")),
        (["MSA|AA|a-1", STATE], AlarmStatus("a-1", is_acknowledged=True, who="")),
        (["MSA|CA|a-1", PERSON], AlarmStatus("a-1", is_acknowledged=True, who="Ruiz")),
        (["MSA|AE|a-1", PERSON, STATE], AlarmStatus("a-1", is_acknowledged=False, who="Ruiz")),
        (["MSA|AA|a-1", STATE.replace("alert-acknowledged", "audio-off")], AlarmStatus("a-1", is_acknowledged=False, who="")),
    ],
)  # fmt: skip
def test_a_person_is_named_or_the_state_says_so(segments: list[str], status: AlarmStatus) -> None:
    for kind in ("ORA^R41^ORA_R41", "ORA^R42^ORA_R42"):
        assert read_alarm_status(message(*segments, kind=kind)) == status


def test_what_names_no_message_says_nothing() -> None:
    assert is_alarm_status(message(PERSON))
    assert read_alarm_status(message(PERSON)) is None
    assert read_alarm_status(message("MSA|AA|", PERSON)) is None


def test_other_answers_are_not_of_this_kind() -> None:
    other = message("MSA|AA|a-1", PERSON, kind="ACK^R01^ACK")
    assert not is_alarm_status(other)
    assert read_alarm_status(other) is None
