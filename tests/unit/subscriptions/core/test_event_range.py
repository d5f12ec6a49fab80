"""Which events can be had by number, and what is said of those that cannot."""

import pytest

from fhirserver.kernel.errors import BadRequest, Gone
from subscriptions.core.event_range import event_range


@pytest.mark.parametrize(
    ("since", "until", "oldest", "bounds"),
    [
        (None, None, 1, (1, 9)),
        (None, None, 4, (4, 9)),
        (None, None, None, (10, 9)),
        ("4", None, 4, (4, 9)),
        ("4", "6", 4, (4, 6)),
        ("4", "4", 1, (4, 4)),
        (None, "6", 4, (4, 6)),
        ("10", None, 4, (10, 9)),
        ("10", None, None, (10, 9)),
        ("12", "20", 4, (12, 9)),
        ("0", "0", 1, (1, 0)),
        ("0", None, 1, (1, 9)),
    ],
)
def test_what_is_told(
    since: str | None, until: str | None, oldest: int | None, bounds: tuple[int, int]
) -> None:
    assert event_range(since, until).bounds(oldest, 9) == bounds


@pytest.mark.parametrize(
    ("since", "until", "oldest", "named"),
    [
        ("1", None, 4, "Events 1 to 3"),
        ("0", None, 4, "Events 1 to 3"),
        ("3", "3", 4, "Events 3 to 3"),
        ("2", "8", None, "Events 2 to 9"),
        (None, "3", 4, "Events 1 to 3"),
        (None, "9", None, "Events 1 to 9"),
    ],
)
def test_numbers_that_are_no_longer_kept_are_named(
    since: str | None, until: str | None, oldest: int | None, named: str
) -> None:
    with pytest.raises(Gone, match=named):
        event_range(since, until).bounds(oldest, 9)


def test_a_hole_is_never_passed_over() -> None:
    assert event_range(None, None).unbroken([2, 4, 5, 6], 6) == 4
    assert event_range("4", None).unbroken([4, 5, 6], 6) == 4
    assert event_range(None, None).unbroken([6], 6) == 6
    with pytest.raises(Gone, match="Events 2 to 3"):
        event_range("2", None).unbroken([2, 4, 5, 6], 6)


@pytest.mark.parametrize(
    ("since", "until"), [("x", None), (None, "-1"), ("1.5", None), ("9" * 19, None), ("5", "4")]
)
def test_what_is_no_number_is_refused(since: str | None, until: str | None) -> None:
    with pytest.raises(BadRequest):
        event_range(since, until)
