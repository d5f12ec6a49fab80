"""The door of the rehearsal: what becomes of each message a device may say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.alarms.door import Door, millis, moment

START = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
MACHINE = "0A1B2CFFFE3D4E5F"
KNOWN = {"158776": "mm[Hg]", "150021": "mm[Hg]"}


@dataclass(frozen=True)
class Said:
    received: datetime
    channel: str
    body: Mapping[str, Any] | None
    eui64: str = MACHINE
    payload: bytes = b"{"


@dataclass(frozen=True)
class Worn:
    eui64: str = MACHINE
    patient: str = "a"
    since: datetime = START
    until: datetime | None = None


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def door(*worn: Worn) -> Door:
    return Door("home1", worn or (Worn(),), KNOWN)


def telemetry(sent: float, *, received: float | None = None, seq: int = 1, **more: Any) -> Said:
    body = {
        "dev": MACHINE,
        "boot": "b",
        "seq": seq,
        "dev_time": at(sent).isoformat(),
        "mono_ms": int(sent * 1000),
        "mode": "TX",
        "s": [{"t": 0, "v": {"158776": 162}}],
    }
    return Said(at(sent if received is None else received), "tel", body | more)


def test_a_message_becomes_readings_of_whoever_wears_the_device() -> None:
    (line,) = door().lines(telemetry(5))
    assert line == {
        "kind": "readings",
        "at": millis(at(5)),
        "patient": "home1/a",
        "device": MACHINE,
        "taken": millis(at(5)),
        "age": 0.0,
        "mode": "TX",
        "values": {"158776": 162},
        "contact": True,
    }


def test_a_number_counts_once_per_device_boot_and_kind() -> None:
    entrance = door()
    assert len(list(entrance.lines(telemetry(5)))) == 1
    assert list(entrance.lines(telemetry(5))) == []
    assert len(list(entrance.lines(telemetry(6, boot="c")))) == 1
    assert entrance.duplicates == 1


def test_a_late_message_is_as_old_as_the_monotonic_clock_says() -> None:
    entrance = door()
    entrance.lines(telemetry(5))
    (late,) = entrance.lines(telemetry(6, received=96, seq=2))
    assert late["age"] == pytest.approx(90.0)
    assert late["taken"] == millis(at(6))
    assert late["mode"] is None


def test_a_wrong_wall_clock_moves_nothing() -> None:
    entrance = door()
    entrance.lines(telemetry(5))
    wrong = at(7 - 3600).isoformat()
    line, fault = entrance.lines(telemetry(7, seq=2, dev_time=wrong))
    assert (line["taken"], line["age"]) == (millis(at(7)), 0.0)
    assert (fault["fault"], fault["amount"]) == ("clock", 3600)
    _, right = entrance.lines(telemetry(8, seq=3))
    assert (right["fault"], right["amount"]) == ("clock", 0)


def test_every_sample_has_its_own_time() -> None:
    samples = [{"t": -2000, "v": {"158776": 160}}, {"t": 0, "v": {"158776": 161}}]
    lines = list(door().lines(telemetry(5, s=samples)))
    assert [line["taken"] for line in lines] == [millis(at(3)), millis(at(5))]
    assert [line["age"] for line in lines] == [2.0, 0.0]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"999": 1}, "unknown-metric"),
        ({"158776": None}, "null-value"),
        ({"158776": "12"}, "malformed"),
        ({"158776": True}, "malformed"),
        ({"158776": float("nan")}, "not-a-number"),
    ],
)
def test_what_cannot_be_read_never_becomes_a_value(values: dict[str, Any], reason: str) -> None:
    entrance = door()
    line, fault = entrance.lines(telemetry(5, s=[{"t": 0, "v": values}]))
    assert line["values"] == {}
    assert entrance.refused == {reason: 1}
    assert (fault["kind"], fault["fault"], fault["amount"]) == ("fault", "data", 1)


def test_a_value_in_another_unit_is_set_aside() -> None:
    entrance = door()
    birth = {"boot": "b", "mono_ms": 0, "metrics": {"158776": {"unit": "kPa"}}}
    (limits,) = entrance.lines(Said(at(0), "birth", birth))
    assert limits["limits"] == {}
    line, _ = entrance.lines(telemetry(5))
    assert line["values"] == {}
    assert entrance.refused == {"wrong-unit": 1}


@pytest.mark.parametrize(
    "said",
    [
        Said(at(1), "tel", None),
        Said(at(1), "tel", {"boot": "b"}),
        telemetry(1, s="none"),
        telemetry(1, dev="other"),
        telemetry(1, s=[{"t": 0}]),
    ],
)
def test_what_is_no_message_is_set_aside(said: Said) -> None:
    entrance = door()
    assert [line["kind"] for line in entrance.lines(said)] == ["fault"]
    assert entrance.refused == {"malformed": 1}


def test_a_text_that_is_no_number_is_named_so() -> None:
    entrance = door()
    entrance.lines(Said(at(1), "tel", None, payload=b'{"s":[{"t":0,"v":{"158776":NaN}}]}'))
    assert entrance.refused == {"not-a-number": 1}


def test_an_alarm_nobody_can_read_is_worse_than_a_value() -> None:
    (fault,) = door().lines(Said(at(1), "evt", None))
    assert fault["fault"] == "event"


def test_missing_numbers_are_told_and_their_end_too() -> None:
    entrance = door()
    entrance.lines(telemetry(1))
    (_, missing) = entrance.lines(telemetry(3, seq=3))
    (_, filled) = entrance.lines(telemetry(2, received=4, seq=2))
    assert [(one["fault"], one["amount"]) for one in (missing, filled)] == [
        ("gap-tel", 1),
        ("gap-tel", 0),
    ]


def test_an_event_carries_its_facets() -> None:
    body = {"boot": "b", "seq": 1, "mono_ms": 5000, "event": "198262", "phase": "start"}
    (line,) = door().lines(Said(at(5), "evt", body | {"priority": "PH", "source": None}))
    assert line["kind"] == "event"
    assert (line["event"], line["phase"], line["priority"]) == ("198262", "start", "PH")
    assert line["bound"] is True
    assert "source" not in line


def test_a_device_given_to_somebody_else_speaks_of_them_from_then_on() -> None:
    entrance = door(Worn(until=at(10)), Worn(patient="b", since=at(12)))
    lines = [entrance.lines(telemetry(9 + 2 * n, seq=1 + n)) for n in range(3)]
    told = [[(line["kind"], line["patient"]) for line in some] for some in lines]
    assert told == [
        [("readings", "home1/a")],
        [("release", "home1/a")],
        [("readings", "home1/b")],
    ]
    assert entrance.patients == ("home1/a", "home1/b")
    body = {"boot": "b", "seq": 1, "event": "198262", "priority": "PH"}
    (event,) = entrance.lines(Said(at(11), "evt", body))
    assert event["bound"] is False


def test_what_arrives_after_the_device_has_left_is_no_sign_of_life() -> None:
    entrance = door(Worn(until=at(10)))
    entrance.lines(telemetry(8))
    release, late = entrance.lines(telemetry(9.5, received=10.2, seq=2))
    assert (release["kind"], late["kind"], late["contact"]) == ("release", "readings", False)


def test_a_goodbye_is_told() -> None:
    (line,) = door().lines(Said(at(5), "status", {"state": "offline"}))
    assert (line["kind"], line["online"]) == ("contact", False)
    assert list(door().lines(Said(at(5), "status", {"state": "tired"}))) == []


def test_milliseconds_and_back() -> None:
    assert moment(millis(at(1.234))) == at(1.234)
