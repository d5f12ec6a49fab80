import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.history import (
    Owed,
    Told,
    Violation,
    check_alarms,
    check_readings,
    check_records,
)

numbers = st.frozensets(st.integers(1, 50))


def test_acknowledged_and_found_once_is_right() -> None:
    assert check_readings("d", {1, 2, 3}, {1, 2}, [2, 1]) == []


def test_sent_but_never_acknowledged_may_be_there_once() -> None:
    assert check_readings("d", {1, 2, 3}, {1, 2}, [1, 2, 3]) == []


def test_acknowledged_but_not_found_is_lost() -> None:
    assert check_readings("d", {1, 2}, {1, 2}, [2]) == [Violation("lost", "d", 1, 0)]


def test_found_twice_is_duplicated_even_when_never_acknowledged() -> None:
    found = check_readings("d", {1, 2}, {1}, [1, 1, 2, 2, 2])
    assert found == [Violation("duplicated", "d", 1, 2), Violation("duplicated", "d", 2, 3)]


def test_never_sent_but_found_is_invented() -> None:
    assert check_readings("d", {1}, {1}, [1, 7]) == [Violation("invented", "d", 7, 1)]


def test_a_history_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match=r"never sent: \[9\]"):
        check_readings("d", {1}, {1, 9}, [1])


@given(numbers, numbers, st.lists(st.integers(1, 60), max_size=80))
def test_right_means_each_acknowledged_once_and_nothing_strange(
    sent: frozenset[int], some: frozenset[int], found: list[int]
) -> None:
    acknowledged = sent & some
    right = acknowledged <= set(found) and set(found) <= sent and len(found) == len(set(found))
    assert (check_readings("d", sent, acknowledged, found) == []) is right


def test_an_alarm_is_said_when_its_telephone_rang_afterwards() -> None:
    owed = [Owed(1, "+1", 10.0), Owed(2, "+2", 10.0)]
    assert check_alarms(owed, [Told("+1", 10.5), Told("+2", 30.0)]) == []


def test_a_ring_before_the_alarm_does_not_count() -> None:
    owed = [Owed(1, "+1", 10.0)]
    unsaid = [Violation("alarm-unsaid", "+1", 1, 0)]
    assert check_alarms(owed, [Told("+1", 9.9)]) == unsaid
    assert check_alarms(owed, [Told("+2", 11.0)]) == unsaid
    assert check_alarms(owed, [Told("+1", 11.0), Told("+1", 9.0)]) == []


def test_an_owed_alarm_has_exactly_one_record() -> None:
    found = check_records({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2})
    assert found == [
        Violation("duplicated", "b", 2, 2),
        Violation("alarm-unrecorded", "c", 3, 0),
    ]


def test_a_violation_reads_as_a_sentence() -> None:
    assert str(Violation("lost", "d", 4, 0)) == "lost: d number 4, seen 0 times"
