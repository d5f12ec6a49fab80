"""The history checker can fail: every kind of broken promise, planted in a history that is right without it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from conformance.subscriptions.history import (
    Answered,
    Blow,
    Followed,
    Interest,
    Period,
    Received,
    Write,
    check,
    check_all,
)

ANN, JOE = "ann", "joe"
WRITES = tuple(
    Write(f"Observation/{patient}-{number}", patient, float(number), number + 0.1, sure=True)
    for number, patient in enumerate((ANN, ANN, JOE, ANN, JOE, ANN), start=1)
)
OF_ANN = [write for write in WRITES if write.patient == ANN]
INTEREST = (Interest(Period(0.0, 0.5), frozenset({ANN})),)


def post(
    at: float,
    *events: tuple[int, str | None],
    answered: Answered = "taken",
    named: frozenset[str] = frozenset({ANN}),
    seconds: float = 0.01,
) -> Received:
    return Received(at, at + seconds, events, named if events else frozenset(), answered)


LOG = tuple((number, write.focus) for number, write in enumerate(OF_ANN, start=1))
RIGHT = Followed(
    "s",
    INTEREST,
    LOG,
    (post(0.6), post(1.2, LOG[0]), post(2.2, LOG[1]), post(6.2, LOG[2], LOG[3])),
)


def faults(
    followed: Followed, writes: Sequence[Write] = WRITES, blows: Sequence[Blow] = ()
) -> list[str]:
    return [violation.fault for violation in check(followed, writes, blows)]


def test_a_right_history_has_no_fault() -> None:
    assert check(RIGHT, WRITES) == []


def test_an_event_that_is_in_no_log_is_missing() -> None:
    short = replace(RIGHT, log=LOG[:3], received=(*RIGHT.received[:3], post(6.2, LOG[2])))
    assert faults(short) == ["missing-event"]


def test_a_write_nobody_acknowledged_may_be_an_event_or_not() -> None:
    unsure = [*WRITES[:5], replace(WRITES[5], sure=False)]
    short = replace(RIGHT, log=LOG[:3], received=(*RIGHT.received[:3], post(6.2, LOG[2])))
    assert faults(short, unsure) == []
    assert faults(RIGHT, unsure) == []


def test_an_event_of_another_patient_is_invented() -> None:
    joe = (5, "Observation/joe-3")
    more = replace(RIGHT, log=(*LOG, joe), received=(*RIGHT.received, post(7.0, joe)))
    assert faults(more) == ["invented-event"]


def test_one_write_is_one_event() -> None:
    again = (5, LOG[3][1])
    twice = replace(RIGHT, log=(*LOG, again), received=(*RIGHT.received, post(7.0, again)))
    assert faults(twice) == ["repeated-event"]


def test_a_number_that_was_left_out_of_the_log_is_a_gap() -> None:
    holed = tuple((number + (number > 2), focus) for number, focus in LOG)
    assert "gap" in faults(replace(RIGHT, log=holed))


def test_two_writes_of_a_patient_in_the_wrong_order() -> None:
    log = (LOG[0], (2, LOG[2][1]), (3, LOG[1][1]), LOG[3])
    turned = replace(RIGHT, log=log, received=(post(1.2, log[0]), post(6.2, *log[1:])))
    assert faults(turned) == ["disorder"]


def test_writes_at_the_same_time_have_no_order() -> None:
    together = [replace(write, begun=1.0, ended=6.1) for write in WRITES]
    log = (LOG[0], (2, LOG[2][1]), (3, LOG[1][1]), LOG[3])
    turned = replace(RIGHT, log=log, received=(post(6.2, *log),))
    assert faults(turned, together) == []


def test_numbers_in_one_notification_go_up_by_one() -> None:
    torn = replace(RIGHT, received=(post(6.2, LOG[1], LOG[0]), post(6.4, LOG[2], LOG[3])))
    assert "disorder" in faults(torn)


def test_an_event_that_never_arrived_is_undelivered() -> None:
    assert faults(replace(RIGHT, received=RIGHT.received[:3])) == ["undelivered"]


def test_a_refused_notification_does_not_count_as_delivered() -> None:
    refused = (*RIGHT.received[:3], replace(RIGHT.received[3], answered="refused"))
    assert faults(replace(RIGHT, received=refused)) == ["undelivered"]


def test_going_on_after_a_failure_skips() -> None:
    received = (post(1.2, LOG[0], answered="refused"), post(2.2, LOG[1]), post(6.2, *LOG))
    assert faults(replace(RIGHT, received=received))[0] == "skipped"


def test_the_next_before_the_answer_skips() -> None:
    received = (post(1.2, LOG[0], seconds=5.0), post(2.2, LOG[1]), post(6.2, *LOG[2:]))
    assert "skipped" in faults(replace(RIGHT, received=received))


@pytest.mark.parametrize("answered", ["refused", "unanswered", "uncertain"])
def test_what_was_not_surely_taken_may_come_again(answered: Answered) -> None:
    received = (post(1.2, LOG[0], answered=answered), post(2.0, LOG[0]), post(6.2, *LOG[1:]))
    assert faults(replace(RIGHT, received=received)) == []


def test_what_was_taken_does_not_come_again() -> None:
    received = (*RIGHT.received, post(7.0, LOG[3]))
    assert faults(replace(RIGHT, received=received)) == ["unexplained-repeat"]


@pytest.mark.parametrize(("at", "excused"), [(6.0, False), (6.5, True), (9.5, False)])
def test_a_kill_excuses_a_repetition_only_where_the_answer_was_on_its_way(
    at: float, excused: bool
) -> None:
    received = (*RIGHT.received, post(9.0, LOG[3]))
    blows = [Blow(at, at + 0.1)]
    found = faults(replace(RIGHT, received=received), blows=blows)
    assert found == ([] if excused else ["unexplained-repeat"])


def test_a_repetition_under_another_number() -> None:
    received = (
        *RIGHT.received[:3],
        post(5.0, (3, LOG[3][1]), answered="refused"),
        RIGHT.received[3],
    )
    assert "renumbered" in faults(replace(RIGHT, received=received))


def righted(*periods: Period) -> Followed:
    return replace(RIGHT, rights={ANN: periods})


def test_with_a_right_all_the_time_nothing_changes() -> None:
    assert faults(righted(Period(0.0, 0.0))) == []


def test_named_after_the_right_was_taken_away() -> None:
    log = LOG[:2]
    leaking = replace(
        righted(Period(0.0, 0.0, 3.0, 3.1)),
        log=log,
        received=(post(1.2, log[0]), post(2.2, log[1], answered="refused"), post(4.2, log[1])),
    )
    assert faults(leaking) == ["without-right"]
    in_time = replace(leaking, received=(*leaking.received[:2], post(4.0, log[1])))
    assert faults(in_time) == []


def test_a_number_without_a_name_tells_nothing() -> None:
    hidden = ((1, LOG[0][1]), (2, None))
    silent = replace(
        righted(Period(0.0, 0.0, 3.0, 3.1)),
        log=hidden,
        received=(post(1.2, hidden[0]), post(5.0, hidden[1], named=frozenset())),
    )
    assert faults(silent) == []


def test_matched_while_there_was_no_right() -> None:
    assert "invented-event" in faults(righted(Period(0.0, 0.0, 3.0, 3.1)))


def test_empty_content_is_counted() -> None:
    nameless = tuple((number, None) for number, _ in LOG)
    counted = replace(RIGHT, names_focus=False, log=nameless, received=(post(7.0, *nameless),))
    assert faults(counted) == []
    assert faults(replace(counted, log=nameless[:3], received=(post(7.0, *nameless[:3]),))) == [
        "missing-event"
    ]
    more = (*nameless, (5, None))
    assert faults(replace(counted, log=more, received=(post(7.0, *more),))) == ["invented-event"]


def test_nothing_comes_after_the_end() -> None:
    over = replace(RIGHT, log=None, over=2.5, received=RIGHT.received[:3])
    assert faults(over) == []
    assert faults(replace(over, received=(*over.received, post(3.6, LOG[2])))) == ["after-the-end"]


def test_an_edit_of_the_filter_counts_on_both_sides_of_it() -> None:
    before = Interest(Period(0.0, 0.5, 3.5, 4.5), frozenset({ANN}))
    after = Interest(Period(3.5, 4.5), frozenset({JOE}))
    writes = [replace(WRITES[3], begun=4.0, ended=4.1), *WRITES[:3], *WRITES[4:]]
    for log in (
        ((1, "Observation/ann-1"), (2, "Observation/ann-2"), (3, "Observation/joe-5")),
        ((1, "Observation/ann-1"), (2, "Observation/ann-2"), (3, "Observation/ann-4"),
         (4, "Observation/joe-5")),
    ):  # fmt: skip
        edited = Followed("s", (before, after), log, (post(6.0, *log),))
        assert faults(edited, writes) == []


def test_every_subscription_is_looked_at() -> None:
    lost = replace(RIGHT, name="t", received=RIGHT.received[:3])
    assert [str(one) for one in check_all([RIGHT, lost], WRITES)] == ["undelivered: t: events 3-4"]
