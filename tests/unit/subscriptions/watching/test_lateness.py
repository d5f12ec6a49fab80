"""The server's own backlog is no device's silence, but people in treatment hear of it."""

from datetime import UTC, datetime, timedelta

from subscriptions.core.lateness import is_told, late_finding, listening_since
from subscriptions.core.silence import HEARD, LOST, SILENT, Watched, judge_silence

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
BEGAN = NOW - timedelta(hours=1)


def test_people_are_told_after_a_minute() -> None:
    assert not is_told(None, NOW)
    assert not is_told(NOW - timedelta(seconds=59), NOW)
    assert is_told(NOW - timedelta(seconds=60), NOW)


def test_silence_is_judged_anew_once_evaluation_has_caught_up() -> None:
    watched = Watched("m1", "ann", "TX", NOW, NOW, online=True, stage=HEARD, simulated=False)
    since = BEGAN
    for second in range(1, 40):
        since = listening_since(BEGAN, NOW, since, NOW + timedelta(seconds=second))
        assert judge_silence(watched, NOW + timedelta(seconds=second), since) == HEARD
    caught_up = NOW + timedelta(seconds=39)
    for second in (1, 19, 20, 65):
        now = caught_up + timedelta(seconds=second)
        since = listening_since(BEGAN, None, since, now)
        expected = LOST if second >= 65 else SILENT if second >= 20 else HEARD
        assert judge_silence(watched, now, since) == expected


def test_the_finding_rings_and_says_whose_fault_it_is() -> None:
    found = late_finding("ann", "m1", "still-breached", NOW, simulated=False)
    assert (found.code, found.priority, found.family) == (
        "evaluation-late",
        "PM",
        "monitoring-lost",
    )
    assert found.detail["reason"] == "the server's own backlog"
