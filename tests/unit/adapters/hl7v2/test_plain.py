"""Lines a sender said before are read by what is remembered of them, and mean what they would mean read anew."""

import pytest

from adapters.hl7v2.device.reported import DeviceReport
from adapters.hl7v2.report import Report
from adapters.hl7v2.routing import interpret
from adapters.hl7v2.sites import Sites, load
from fhirserver.wire.hl7v2.message import read
from tests.unit.adapters.hl7v2.machine_messages import (
    MACHINE,
    MMHG,
    PATIENT,
    header,
    message,
    mode,
    obx,
    venous,
)

EARLIER = "20260801093000+0000"
# One measure in every way a line can say it, or fail to.
LINES = (
    venous("160"),
    venous("-1.50"),
    venous(""),
    venous("n/a"),
    venous(" 7 "),
    venous("1~2"),
    venous("\\X31\\"),
    venous("160", at=EARLIER),
    venous("160", limits="122-262"),
    venous("160", limits=">30"),
    venous("160", status="ALACT"),
    venous("160", status="TEST"),
    venous("160", status="INV"),
    venous("160", result="X"),
    venous("160", result="C"),
    venous("160", unit="kPa^kPa^UCUM"),
    venous("160", unit=""),
    obx("158776^^MDC", "=^5", kind="SN", unit=MMHG),
    obx("158776^^MDC", "<^5", kind="SN", unit=MMHG),
    obx("^MDC_HDIALY_BLD_PUMP_PRESS_VEN", "5", unit=MMHG),
    obx("4711^LOCAL", "5"),
    obx("158594^^MDC", "5"),
    mode("TX"),
)


def reading(sites: Sites, *lines: str, **head: str) -> tuple[tuple[DeviceReport, ...], Report]:
    sender = sites.senders[-1]
    text = message(header(**head), PATIENT, MACHINE, *lines)
    found = interpret(read(text), sender, sites.plans)
    return found.devices, found.report


@pytest.mark.parametrize("line", LINES)
def test_a_line_means_the_same_whatever_was_read_before(line: str) -> None:
    known = load(unknown="accept")
    for one in LINES:
        reading(known, one)
    assert reading(known, line) == reading(load(unknown="accept"), line)


@pytest.mark.parametrize("line", LINES)
def test_two_lines_of_one_measure_do_not_disturb_each_other(line: str) -> None:
    known = load(unknown="accept")
    for lines in ((venous("1"), line), (line, venous("1"))):
        reading(known, *lines)
        assert reading(known, *lines) == reading(load(unknown="accept"), *lines)


def test_numbers_and_times_are_those_of_each_message() -> None:
    known = load(unknown="accept")
    (one,), _ = reading(known, venous("160"))
    (other,), _ = reading(known, venous("161.50"), sent="20260801093106+0000")
    assert [str(it.telemetry[0].samples[0].values["158776"]) for it in (one, other)] == [
        "160",
        "161.50",
    ]
    assert one.telemetry[0].dev_time != other.telemetry[0].dev_time


def test_what_other_delimiters_mean_is_not_remembered() -> None:
    known = load(unknown="accept")
    text = message(header(), PATIENT, MACHINE, venous("160"))
    strange = text.replace("^", "!").replace("MSH|!~", "MSH|!~", 1)
    sender = known.senders[-1]
    (plain,) = interpret(read(text), sender, known.plans).devices
    (other,) = interpret(read(strange), sender, known.plans).devices
    assert plain == other
