"""Dates and times keep the precision and the offset they were sent with; without one the sender's zone counts."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.wire.hl7v2.timestamp import read_timestamp, written

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("sent", "date", "date_time"),
    [
        ("2026", "2026", "2026"),
        ("202608", "2026-08", "2026-08"),
        ("20260801", "2026-08-01", "2026-08-01"),
        ("20260801+0200", "2026-08-01", "2026-08-01"),
        ("2026080109", "2026-08-01", "2026-08-01T09:00:00+02:00"),
        ("202608010930", "2026-08-01", "2026-08-01T09:30:00+02:00"),
        ("20260801093006", "2026-08-01", "2026-08-01T09:30:06+02:00"),
        ("20261201093006", "2026-12-01", "2026-12-01T09:30:06+01:00"),
        ("20260801093006-0330", "2026-08-01", "2026-08-01T09:30:06-03:30"),
        ("20260801093006.1200+0000", "2026-08-01", "2026-08-01T09:30:06.1200+00:00"),
        ("202608010930+0000", "2026-08-01", "2026-08-01T09:30:00+00:00"),
    ],
)
def test_precision_and_offset_are_kept(sent: str, date: str, date_time: str) -> None:
    found = read_timestamp(sent)
    assert (found.date(), found.date_time(BERLIN)) == (date, date_time)


@pytest.mark.parametrize(
    "sent",
    [
        "", "x", "26", "20261", "2026080", "20260801093", "20260801093006.", "202608010930.5", "20261301", "20260230",
        "20260801240000", "20260801093006+1500", "20260801093006+0160", "2026-08-01", "00000101", "20260801T0930",
        "20260801093006.1234567890", "\uff12\uff10\uff12\uff16",
    ],
)  # fmt: skip
def test_what_is_in_no_calendar_is_refused(sent: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_timestamp(sent)


def test_a_moment_is_at_least_a_minute() -> None:
    assert read_timestamp("2026080109").instant(UTC) is None
    assert read_timestamp("202608010930").instant(BERLIN) == datetime(2026, 8, 1, 7, 30, tzinfo=UTC)
    assert read_timestamp("20260801").time() is None
    assert read_timestamp("2026080109").time() == "09:00:00"


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - made aware below
    st.integers(-14 * 60, 14 * 60),
)
def test_a_moment_comes_back(moment: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    aware = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=zone)
    found = read_timestamp(written(aware, milliseconds=True))
    assert found.instant(UTC) == aware
    assert found.offset == aware.utcoffset()
    whole = read_timestamp(written(aware))
    assert (whole.precision, whole.instant(UTC)) == ("second", aware.replace(microsecond=0))
