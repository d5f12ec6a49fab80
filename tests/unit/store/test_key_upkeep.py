"""When the index may be looked at."""

from datetime import UTC, datetime

import pytest

from fhirserver.setting_forms import hours
from fhirserver.store.key_upkeep import is_time


@pytest.mark.parametrize(
    ("stated", "clock", "allowed"),
    [
        ("on", "12:00", True),
        ("off", "12:00", False),
        ("22:00-05:00", "21:59", False),
        ("22:00-05:00", "22:00", True),
        ("22:00-05:00", "00:00", True),
        ("22:00-05:00", "04:59", True),
        ("22:00-05:00", "05:00", False),
        ("01:30-04:00", "01:29", False),
        ("01:30-04:00", "01:30", True),
        ("01:30-04:00", "04:00", False),
    ],
)
def test_hours(stated: str, clock: str, allowed: bool) -> None:
    hour, minute = map(int, clock.split(":"))
    now = datetime(2026, 3, 1, hour, minute, tzinfo=UTC)
    assert is_time(hours(stated), now) is allowed


@pytest.mark.parametrize("wrong", ["", "night", "22-05", "24:00-05:00", "22:00-22:00", "22:00"])
def test_what_is_no_time_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="22:00-05:00"):
        hours(wrong)


def test_spelling_does_not_matter() -> None:
    assert hours(" ON ") == "on"
