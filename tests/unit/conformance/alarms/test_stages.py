"""What was promised about bursts, and what breaks it."""

from conformance.load.alarms.stages import Outcome, Stage, Trouble, knee, official


def outcome(*troubles: Trouble, drained: float | None = 1.0, commit: float = 0.1) -> Outcome:
    stage = Stage("s", 10.0, 20.0, 1.0, evt_p99_s=2.0, tel_p99_s=2.0)
    return Outcome(stage, 200, [commit] * 10, troubles, 5, drained)


def test_a_stage_in_time_breaks_nothing() -> None:
    good = outcome(Trouble("evt", 1.0, 1.5), Trouble("tel", 2.0, 3.0))
    assert good.broken == ()
    assert good.carried
    assert good.as_json()["evt"]["p50"] == 500.0


def test_late_unsaid_and_stuck_are_told() -> None:
    bad = outcome(Trouble("evt", 1.0, 4.0), Trouble("tel", 2.0, None), drained=None)
    assert bad.broken == (
        "evt p99 3.00 s instead of 2 s",
        "1 tel troubles reached no telephone",
        "the backlog was not gone 120 s afterwards",
    )
    assert not bad.carried


def test_a_rate_is_not_carried_when_commits_are_late() -> None:
    assert not outcome(commit=2.5).carried


def test_the_documented_stages() -> None:
    steady, burst, start = official(200.0, 60.0, 1000)
    assert (steady.messages_per_s, burst.messages_per_s) == (200.0, 600.0)
    assert (steady.evt_p99_s, burst.evt_p99_s, start.evt_p99_s) == (2.0, 5.0, 5.0)
    assert start.joining == 1000
    assert steady.troubles == 30
    assert len(official(200.0, 60.0, 0)) == 2


def test_the_knee_is_looked_for_upwards() -> None:
    rates = [stage.messages_per_s for stage in knee(100.0, 2.0, 5.0, 3)]
    assert rates == [100.0, 200.0, 400.0]
