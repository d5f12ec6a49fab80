"""Ranges of numbers: whatever the order of arrival, they say exactly which numbers have come."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from adapters.streams import Acknowledgement, Ranges, acknowledge, add, contains, holes

NUMBERS = st.lists(st.integers(min_value=1, max_value=40), max_size=60)


def ranges_of(numbers: list[int]) -> Ranges:
    ranges: Ranges = []
    for number in numbers:
        add(ranges, number)
    return ranges


@given(NUMBERS)
def test_ranges_hold_what_was_added_and_nothing_else(numbers: list[int]) -> None:
    ranges = ranges_of(numbers)
    assert [number for number in range(1, 45) if contains(ranges, number)] == sorted(set(numbers))


@given(NUMBERS)
def test_ranges_ascend_and_never_touch(numbers: list[int]) -> None:
    ranges = ranges_of(numbers)
    assert all(lo <= hi for lo, hi in ranges)
    assert all(one[1] + 1 < other[0] for one, other in itertools.pairwise(ranges))


@given(NUMBERS)
def test_holes_are_the_numbers_missing_between_the_first_and_the_last(numbers: list[int]) -> None:
    missing = {number for lo, hi in holes(ranges_of(numbers)) for number in range(lo, hi + 1)}
    expected = set(range(min(numbers), max(numbers))) - set(numbers) if numbers else set()
    assert missing == expected


@given(NUMBERS)
def test_an_acknowledgement_covers_exactly_what_is_committed(numbers: list[int]) -> None:
    told = acknowledge("A", "b", "tel", ranges_of(numbers), ())
    covered = set(range(1, told.through + 1)) | {
        n for lo, hi in told.also for n in range(lo, hi + 1)
    }
    assert covered == set(numbers)


def test_an_acknowledgement_names_what_was_refused() -> None:
    assert acknowledge("A", "b", "tel", [(1, 4), (6, 9)], [7, 7, 2]) == Acknowledgement(
        "A", "b", "tel", 4, ((6, 9),), (2, 7)
    )
    assert acknowledge("A", "b", "tel", [(1, 4)], ()).as_json() == {
        "boot": "b",
        "kind": "tel",
        "through": 4,
    }
    assert acknowledge("A", "b", "evt", [(3, 4)], [3]).as_json() == {
        "boot": "b",
        "kind": "evt",
        "through": 0,
        "also": [[3, 4]],
        "rejected": [3],
    }
