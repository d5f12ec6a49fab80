"""PCD-04: an alarm is never lost for what its message leaves out or writes otherwise."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from adapters.hl7v2.device.reported import BOOT
from adapters.mqtt.messages import Event
from tests.unit.adapters.hl7v2.machine_messages import (
    ALARM,
    EUI,
    VENOUS,
    facets,
    header,
    obx,
    read_machine,
)

ACCESS = "198260^MDC_EVT_HDIALY_SAFETY_VEN_ACCESS^MDC"


def alarm(*lines: str, head: str | None = None) -> Event:
    found = read_machine(lines, obr=ALARM, head=head)
    assert found.refusal is None
    (report,) = found.devices
    (event,) = report.events
    assert (report.address, report.telemetry) == (EUI, ())
    return event


def test_all_five_facets_are_read() -> None:
    assert alarm(*facets()) == Event(
        EUI, BOOT, None, "196670:158776", datetime(2026, 8, 1, 9, 30, 6, tzinfo=UTC), None, "196670", "158776",
        "start", "active", "enabled", "PH", Decimal(15), "mm[Hg]", False,
    )  # fmt: skip


def test_a_general_alarm_means_the_event_it_names() -> None:
    event = alarm(*facets(event="196616^MDC_EVT_ALARM^MDC", meant=ACCESS))
    assert (event.event, event.source) == ("198260", "158776")


def test_an_event_may_be_the_alarm_itself() -> None:
    event = alarm(obx(ACCESS, "", kind="CWE", status="PH~ST"))
    assert (event.event, event.source, event.phase, event.state) == (
        "198260",
        None,
        "continue",
        "active",
    )


@pytest.mark.parametrize(
    "written", ["196670^MDC_EVT_LOW", "MDC_EVT_LO", "0^MDC_EVT_LOW^MDC", "196670"]
)
def test_an_alarm_is_known_by_its_code_then_by_its_name(written: str) -> None:
    assert alarm(*facets(event=written)).event == "196670"


def test_the_start_the_repetitions_and_the_end_are_one_alarm() -> None:
    told = [
        alarm(*facets(phase=phase, state=state))
        for phase, state in (("start", "active"), ("continue", "active"), ("end", "inactive"))
    ]
    assert len({one.alarm_id for one in told}) == 1
    assert [one.phase for one in told] == ["start", "continue", "end"]


@pytest.mark.parametrize(
    ("phase", "state", "meant"),
    [
        (None, None, ("continue", "active")),
        ("start", None, ("start", "active")),
        ("end", None, ("end", "inactive")),
        (None, "inactive", ("end", "inactive")),
        (None, "latched", ("continue", "latched")),
        ("tpoint", "active", ("start", "active")),
        ("ESCALATE", "Active", ("continue", "active")),
        ("reset", "off", ("end", "off")),
        ("odd", "odd", ("continue", "active")),
    ],
)
def test_what_is_missing_is_taken_so_that_people_are_told(
    phase: str | None, state: str | None, meant: tuple[str, str]
) -> None:
    event = alarm(*facets(phase=phase, state=state))
    assert (event.phase, event.state) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("PH~ST~L", "PH"),
        ("ST~PM", "PM"),
        ("L", "PU"),
        ("", "PU"),
        ("pl", "PL"),
        ("PN", "PN"),
        ("PU", "PU"),
    ],
)
def test_an_alarm_without_a_priority_rings(written: str, meant: str) -> None:
    assert alarm(*facets(priority=written)).priority == meant


@pytest.mark.parametrize("value", ["kaputt", ""])
def test_an_alarm_is_not_lost_for_its_number(value: str) -> None:
    lines = [one.replace("|15|", f"|{value}|") for one in facets()]
    event = alarm(*lines)
    assert (event.event, event.source, event.value, event.unit) == ("196670", "158776", None, None)


def test_an_alarm_is_not_lost_for_its_unit() -> None:
    lines = [one.replace("mm[Hg]^mm[Hg]^UCUM", "kPa") for one in facets()]
    assert (alarm(*lines).event, alarm(*lines).value) == ("196670", None)


def test_the_order_of_facets_is_nothing() -> None:
    assert alarm(*reversed(facets())) == alarm(*facets())


def test_a_pause_of_the_sound_is_told() -> None:
    assert alarm(*facets(activity="audio-paused")).activity == "audio-paused"
    assert alarm(*facets(activity=None)).activity == "enabled"


def test_a_test_alarm_is_marked() -> None:
    assert alarm(*facets(), head=header("ORU^R40^ORU_R40", processing="T")).test


def test_several_alarms_in_a_message_are_several() -> None:
    second = facets(event="196616", meant=ACCESS)
    found = read_machine([*facets(), ALARM, *second], obr=ALARM)
    assert [one.event for one in found.devices[0].events] == ["196670", "198260"]


def test_a_message_that_names_no_alarm_is_refused_with_its_place() -> None:
    found = read_machine([obx(VENOUS, "15")], obr=ALARM)
    assert found.refusal is not None
    assert (found.refusal.reason, found.refusal.faults[0].code) == ("incomplete", "101")
    assert found.devices == ()
