"""Faults of what devices send: when somebody is told, how urgently, and when it is over."""

from datetime import UTC, datetime, timedelta

import pytest

from fhirserver.kernel.readings import DeviceFault, FaultKind
from subscriptions.core.device_trouble import Judged, Trouble, judged, noticed

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def fault(
    kind: FaultKind, amount: int = 1, *, device: str | None = "m1", patient: str | None = "ann"
) -> DeviceFault:
    return DeviceFault(device, "0A1B", patient, kind, amount, NOW, simulated=False)


def told(found: Judged) -> list[tuple[str, str, str]]:
    return [(str(one.what), str(one.priority), one.code) for one in found.findings]


def run(found: Judged, until: float) -> list[tuple[float, str, str]]:
    """What time alone makes of it: (seconds, what, priority)."""
    happened: list[tuple[float, str, str]] = []
    while found.trouble is not None and found.look_at is not None:
        at = (found.look_at - NOW).total_seconds()
        if at > until:
            break
        found = judged(found.trouble, found.look_at)
        happened += [(at, one.what, one.priority) for one in found.findings]
    return happened


def later(found: Judged, seconds: float) -> Judged:
    """What time makes of a trouble that is still there."""
    assert found.trouble is not None
    return judged(found.trouble, after(seconds))


@pytest.mark.parametrize(
    ("kind", "missing", "expected"),
    [
        ("gap-evt", 1, [(10.0, "breached", "PM"), (900.0, "ended", "PM")]),
        ("gap-tel", 10, [(30.0, "breached", "PM"), (900.0, "ended", "PM")]),
        ("gap-tel", 9, [(30.0, "breached", "PL"), (900.0, "ended", "PL")]),
    ],
)
def test_what_stays_missing_is_told_and_given_up_in_the_end(
    kind: FaultKind, missing: int, expected: list[tuple[float, str, str]]
) -> None:
    assert run(noticed(None, fault(kind, missing), NOW), 2000) == expected


def test_what_comes_late_is_told_to_nobody() -> None:
    found = noticed(None, fault("gap-tel", 20), NOW)
    assert found.look_at == after(30)
    assert noticed(found.trouble, fault("gap-tel", 0), after(29)) == Judged((), None, None)


def test_a_gap_that_was_told_ends_when_it_is_mended() -> None:
    found = later(noticed(None, fault("gap-evt", 3), NOW), 10)
    ended = noticed(found.trouble, fault("gap-evt", 0), after(200))
    assert told(ended) == [("ended", "PM", "readings-missing")]
    assert ended.trouble is None


def test_a_small_gap_that_grows_is_told_again_more_urgently() -> None:
    small = later(noticed(None, fault("gap-tel", 2), NOW), 30)
    assert told(small) == [("breached", "PL", "readings-missing")]
    grown = noticed(small.trouble, fault("gap-tel", 40), after(60))
    assert told(grown) == []
    assert run(grown, 500) == [(90.0, "breached", "PM")]


def test_a_smaller_gap_is_no_news() -> None:
    first = later(noticed(None, fault("gap-tel", 40), NOW), 30)
    assert told(noticed(first.trouble, fault("gap-tel", 12), after(60))) == []


def test_a_wrong_clock_is_told_at_once_for_the_list_and_ends_with_the_right_time() -> None:
    wrong = noticed(None, fault("clock", 90), NOW)
    assert told(wrong) == [("breached", "PL", "clock-wrong")]
    assert wrong.look_at is None
    worse = noticed(wrong.trouble, fault("clock", 3600), after(60))
    assert told(worse) == []
    right = noticed(worse.trouble, fault("clock", 0), after(90))
    assert told(right) == [("ended", "PL", "clock-wrong")]


def test_refused_messages_are_one_alert_until_ten_minutes_pass_without_any() -> None:
    found = noticed(None, fault("data"), NOW)
    assert told(found) == [("breached", "PL", "data-quality")]
    for second in range(1, 100):
        found = noticed(found.trouble, fault("data"), after(second))
        assert found.findings == ()
    assert found.trouble is not None
    assert found.trouble.amount == 100
    assert run(found, 2000) == [(699.0, "ended", "PL")]


def test_an_alarm_nobody_can_read_calls_somebody() -> None:
    assert told(noticed(None, fault("event"), NOW)) == [("breached", "PM", "data-quality")]


@pytest.mark.parametrize("kind", ["gap-tel", "gap-evt", "clock", "data", "event"])
def test_a_device_of_nobody_is_nobodys_trouble(kind: FaultKind) -> None:
    assert noticed(None, fault(kind, 50, patient=None), NOW) == Judged((), None, None)


def test_the_alert_of_the_patient_before_ends_when_the_device_moves_on() -> None:
    first = noticed(None, fault("clock", 90), NOW)
    moved = noticed(first.trouble, fault("clock", 90, patient="eve"), after(60))
    assert [(one.what, one.patient) for one in moved.findings] == [
        ("ended", "ann"),
        ("breached", "eve"),
    ]


def test_an_unknown_device_is_asked_about_once_an_hour() -> None:
    found = noticed(None, fault("event", device=None, patient=None), NOW)
    assert found.findings == ()
    assert found.trouble == Trouble("0A1B", "event", None, 1, NOW, NOW, None, simulated=False)
    assert found.look_at == after(3600)
    assert judged(found.trouble, after(3600)) == Judged((), None, None)
