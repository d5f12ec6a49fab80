"""When a minor comes of age."""

from datetime import UTC, date, datetime

import pytest

from fhirserver.relations.majority import latest_birth, majority_of


@pytest.mark.parametrize(
    ("birth", "expected"),
    [
        ("2008-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2008-02-29", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2008-02", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2008-12", datetime(2026, 12, 31, tzinfo=UTC)),
        ("2008", datetime(2026, 12, 31, tzinfo=UTC)),
        (None, None),
        ("soon", None),
    ],
)
def test_majority_is_the_eighteenth_birthday_of_the_last_day_a_date_can_mean(
    birth: str | None, expected: datetime | None
) -> None:
    assert majority_of(birth) == expected


def test_a_month_means_its_last_day() -> None:
    assert latest_birth("2007-02") == date(2007, 2, 28)
    assert latest_birth("2007-12") == date(2007, 12, 31)
