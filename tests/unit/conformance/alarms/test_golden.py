"""Exactly the golden alerts: each way to deviate is named."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.alarms.door import millis
from conformance.alarms.golden import compare

START = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
MDC = "urn:iso:std:iso:11073:10101"


@dataclass(frozen=True)
class Owed:
    code: str = "196670"
    priority: str = "PH"
    within_s: float = 10.0
    earliest_s: float = 0.0
    source: str | None = "150021"
    since: str = "start"
    system: str = MDC
    unless: str | None = None
    patient: str | None = None


@dataclass(frozen=True)
class Owes:
    alerts: tuple[Owed, ...] = ()
    allowed: tuple[str, ...] = ()
    incidents: int | None = None
    most_rings: int | None = None


def decided(seconds: float, **more: Any) -> dict[str, Any]:
    alert = {
        "system": MDC,
        "code": "196670",
        "priority": "PH",
        "display": "low",
        "incident": f"i{seconds}",
    }
    one = {
        "patient": "home/a",
        "bound": True,
        "at": millis(START + timedelta(seconds=seconds)),
        "record": "raised",
        "rings": True,
        "source": "150021",
        "detail": {"reason": "beyond the limit"},
    }
    changed = {key: more.pop(key) for key in ("code", "priority") if key in more}
    return one | more | {"alert": alert | changed}


def faults(
    *owed: Owed,
    happened: list[dict[str, Any]],
    moments: dict[str, list[datetime]] | None = None,
    **more: Any,
) -> list[str]:
    known = {"start": [START]} | (moments or {})
    return [one.fault for one in compare(Owes(owed, **more), happened, known, "a")]


def test_what_was_owed_in_time_is_in_order() -> None:
    assert faults(Owed(), happened=[decided(3)]) == []


def test_a_higher_priority_of_a_known_alert_counts_as_that() -> None:
    raised = decided(1, priority="PM")
    higher = decided(60, record="priority-raised")
    assert faults(Owed(priority="PM"), Owed(within_s=120.0), happened=[raised, higher]) == []


def test_nothing_is_missed() -> None:
    assert faults(Owed(), happened=[]) == ["missed"]
    assert faults(Owed(source="150022"), happened=[decided(3)]) == ["missed"]
    assert faults(Owed(since="limit"), happened=[decided(3)]) == ["missed"]


def test_too_late_and_too_early() -> None:
    assert faults(Owed(), happened=[decided(11)]) == ["late"]
    assert faults(Owed(earliest_s=5.0), happened=[decided(3)]) == ["early"]
    assert faults(Owed(), happened=[decided(-3)]) == ["early"]


def test_what_rings_unasked_is_surplus_unless_it_is_a_consequence() -> None:
    other = decided(3, code="198242", source=None)
    assert faults(happened=[other]) == ["surplus"]
    assert faults(happened=[other], allowed=("198242",)) == []


def test_a_silent_alert_nobody_asked_for_is_told_and_a_list_entry_is_not() -> None:
    quiet = decided(3, rings=False)
    assert faults(happened=[quiet]) == ["unasked"]
    assert faults(happened=[decided(3, rings=False, priority="PL")]) == []


def test_a_deviation_reads_as_a_line() -> None:
    (one,) = compare(Owes(), [decided(3)], {}, "a")
    assert str(one) == "surplus: PH 196670 of 150021 (low), raised, rings, beyond the limit"


def test_what_another_moment_replaces_is_not_owed() -> None:
    floor = {"floor": [START]}
    assert faults(Owed(unless="floor"), happened=[]) == ["missed"]
    assert faults(Owed(unless="floor"), happened=[], moments=floor) == []


def test_an_alert_belongs_to_its_patient() -> None:
    of_b = decided(3, patient="home/b")
    assert faults(Owed(patient="b"), happened=[of_b]) == []
    assert faults(Owed(), happened=[of_b]) == ["missed", "surplus"]
    nobodys = decided(3, bound=False)
    assert faults(Owed(patient="organization"), happened=[nobodys]) == []


def test_one_accident_is_one_incident_and_rings_as_often_as_it_may() -> None:
    twice = [decided(3), decided(4, record="rang-again")]
    assert faults(Owed(), happened=twice) == []
    assert faults(Owed(), happened=twice, incidents=1) == ["surplus"]
    assert faults(Owed(), happened=twice, most_rings=1) == ["surplus"]
