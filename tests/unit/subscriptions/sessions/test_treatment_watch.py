"""What a patient's treatments owe people to be told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from subscriptions.core.arming import UNARMED, Arming
from subscriptions.core.session import Session
from subscriptions.core.treatment_watch import Judged, judged

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
ARMED = Arming("armed", NOW, NOW, ("RelatedPerson/bob",), None)
ONE = Session("p1", "ann", "m1", "t-1", NOW, NOW + timedelta(hours=4))
OTHER = replace(ONE, procedure="p2", therapy="t-2")
TOLD = replace(ONE, told=True)


def told(found: Judged) -> list[tuple[str, str]]:
    return [(one.what, one.key) for one in found.findings]


def test_an_unarmed_treatment_is_told_once() -> None:
    first = judged([ONE], [], UNARMED, NOW, required=True)
    assert told(first) == [("breached", "not-armed")]
    ((after, due),) = first.going_on
    assert after.told
    assert due == NOW + timedelta(hours=5)
    assert told(judged([after], [], UNARMED, NOW, required=True)) == []


def test_arming_ends_it() -> None:
    found = judged([TOLD], [], ARMED, NOW, required=True)
    assert told(found) == [("ended", "not-armed")]
    assert not found.going_on[0][0].told
    assert told(judged([ONE], [], ARMED, NOW, required=True)) == []


def test_so_does_the_end_of_the_treatment() -> None:
    assert told(judged([], [TOLD], UNARMED, NOW, required=True)) == [("ended", "not-armed")]


def test_the_next_unarmed_treatment_rings_anew() -> None:
    assert told(judged([OTHER], [TOLD], UNARMED, NOW, required=True)) == [
        ("ended", "not-armed"),
        ("breached", "not-armed"),
    ]


def test_the_end_of_one_of_two_treatments_is_not_the_end_of_the_alert() -> None:
    going_on = replace(OTHER, told=True)
    assert told(judged([going_on], [TOLD], UNARMED, NOW, required=True)) == []


def test_a_record_of_the_past_is_told_nobody() -> None:
    found = judged([replace(ONE, live=False)], [], UNARMED, NOW, required=True)
    assert told(found) == []
    assert found.going_on[0][1] is None


def test_where_it_is_not_required_nobody_is_told() -> None:
    assert told(judged([ONE], [], UNARMED, NOW, required=False)) == []
    assert told(judged([TOLD], [], UNARMED, NOW, required=False)) == [("ended", "not-armed")]


def test_a_missing_end_is_told_once_and_ends_with_the_treatment() -> None:
    late = NOW + timedelta(hours=5)
    found = judged([ONE], [], ARMED, late, required=True)
    assert told(found) == [("breached", "session-end:p1")]
    ((after, due),) = found.going_on
    assert due is None
    assert told(judged([after], [], ARMED, late, required=True)) == []
    assert told(judged([], [after], ARMED, late, required=True)) == [("ended", "session-end:p1")]
