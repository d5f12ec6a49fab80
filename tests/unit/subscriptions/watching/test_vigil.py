"""The watch over ourselves: what counts as wrong, and when somebody is told."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from subscriptions.core.vigil import (
    Ailment,
    Measured,
    Notice,
    Vigil,
    ailments,
    is_well,
    not_taken,
    text_of,
    watched,
)

BEGAN = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
NOW = BEGAN + timedelta(hours=1)
ROLES = ("api", "ingest", "engine", "deliver")
FINE = Measured(
    database=True,
    broker=True,
    lag=timedelta(0),
    beats=dict.fromkeys(ROLES, NOW),
    answers=True,
    timer_due=None,
    send_due=None,
    synthetic=NOW - timedelta(seconds=30),
    synthetic_every=timedelta(seconds=60),
)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_server_in_order_is_well() -> None:
    assert ailments(FINE, BEGAN, NOW) == frozenset()
    assert is_well(FINE, ())


def test_an_alarm_nobody_comes_for_is_told_while_heartbeats_go_on() -> None:
    found = ailments(replace(FINE, unanswered=True), BEGAN, NOW)
    assert found == {"alarm-unanswered"}
    assert is_well(FINE, found)
    vigil, _ = watched(Vigil(), found, NOW)
    _, notice = watched(vigil, found, after(10))
    assert notice is not None
    assert "nobody is with the patient" in text_of(notice, "https://x.org")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (replace(FINE, database=False, lag=None, beats={}), "database-away"),
        (replace(FINE, broker=False, lag=None), "broker-away"),
        (replace(FINE, lag=timedelta(seconds=5.1)), "evaluation-late"),
        (replace(FINE, answers=False), "api-silent"),
        (
            replace(FINE, beats={**FINE.beats, "engine": NOW - timedelta(seconds=9)}),
            "engine-silent",
        ),
        (replace(FINE, beats={**FINE.beats, "deliver": None}), "deliver-silent"),
        (replace(FINE, beats={**FINE.beats, "ingest": None}), "ingest-silent"),
        (replace(FINE, timer_due=NOW - timedelta(seconds=6)), "timers-late"),
        (replace(FINE, send_due=NOW - timedelta(seconds=6)), "sending-late"),
        (replace(FINE, synthetic=NOW - timedelta(seconds=151)), "synthetic-missed"),
        (replace(FINE, synthetic=None), "synthetic-missed"),
        (replace(FINE, refused=True), "companies-away"),
    ],
)
def test_each_ailment_is_found_and_stops_the_heartbeats(seen: Measured, expected: Ailment) -> None:
    found = ailments(seen, BEGAN, NOW)
    assert found == {expected}
    assert not is_well(seen, found)


def test_processes_are_given_time_to_start_but_the_server_is_not_called_well() -> None:
    starting = replace(
        FINE, beats=dict.fromkeys(ROLES), answers=False, synthetic=None, lag=timedelta(0)
    )
    assert ailments(starting, BEGAN, BEGAN + timedelta(seconds=20)) == frozenset()
    assert not is_well(starting, ())
    assert ailments(starting, BEGAN, BEGAN + timedelta(seconds=46)) >= {
        "api-silent",
        "engine-silent",
    }


def test_a_server_whose_backlog_cannot_be_measured_is_not_well() -> None:
    assert not is_well(replace(FINE, lag=None), ())


def test_a_switched_off_synthetic_patient_is_not_missed() -> None:
    off = replace(FINE, synthetic=None, synthetic_every=None)
    assert ailments(off, BEGAN, NOW) == frozenset()


def run(looks: Iterable[tuple[float, frozenset[Ailment]]]) -> list[tuple[float, str, list[str]]]:
    vigil = Vigil()
    told: list[tuple[float, str, list[str]]] = []
    for at, found in looks:
        vigil, notice = watched(vigil, found, after(at))
        if notice is not None:
            told.append((at, notice.kind, [str(one) for one, _ in notice.ailments]))
    return told


LATE: frozenset[Ailment] = frozenset(("evaluation-late",))
BOTH: frozenset[Ailment] = frozenset(("evaluation-late", "engine-silent"))
NONE: frozenset[Ailment] = frozenset()


def test_a_trouble_that_lasts_is_told_within_a_minute_repeated_and_ended() -> None:
    looks = [(float(s), LATE if s < 700 else NONE) for s in range(800)]
    assert run(looks) == [
        (10.0, "trouble", ["evaluation-late"]),
        (310.0, "still", ["evaluation-late"]),
        (610.0, "still", ["evaluation-late"]),
        (719.0, "over", ["evaluation-late"]),
    ]


def test_a_restart_of_a_few_seconds_rings_nobody() -> None:
    assert run((float(s), LATE if 5 <= s < 12 else NONE) for s in range(100)) == []


def test_a_second_trouble_is_news_of_its_own() -> None:
    looks = [(float(s), LATE if s < 15 else BOTH) for s in range(60)]
    assert run(looks) == [
        (10.0, "trouble", ["evaluation-late"]),
        (30.0, "trouble", ["engine-silent", "evaluation-late"]),
    ]


def test_a_flickering_trouble_is_one_trouble() -> None:
    looks = [(float(s), LATE if s % 15 < 12 and s < 200 else NONE) for s in range(260)]
    told = run(looks)
    assert [kind for _, kind, _ in told] == ["trouble", "over"]


@pytest.mark.parametrize("found", [LATE, BOTH])
def test_whatever_happens_it_is_told_within_a_minute(found: frozenset[Ailment]) -> None:
    for start in range(0, 90, 7):
        looks = [(float(s), found if s >= start else (LATE if s % 2 else NONE)) for s in range(200)]
        assert any(set(found) <= set(what) and at <= start + 60 for at, _, what in run(looks))


def test_a_notice_nobody_took_is_tried_again_soon() -> None:
    vigil, told = Vigil(), []
    for s in range(60):
        before = vigil
        vigil, notice = watched(vigil, LATE, after(s))
        if notice is not None:
            told.append(s)
            vigil = not_taken(before, vigil, notice, after(s))
    assert told == [10, 25, 40, 55]


def test_the_words_name_the_server_and_no_person() -> None:
    notice = Notice("trouble", (("engine-silent", NOW),), NOW)
    text = text_of(notice, "https://fhir.example.org")
    assert text == (
        "https://fhir.example.org: ALARMS MAY NOT REACH ANYBODY: nothing watches time: timers, "
        "ladders, silence (since 2026-08-01 10:00:00 UTC)."
    )
    assert "over since" in text_of(replace(notice, kind="over"), "x")
