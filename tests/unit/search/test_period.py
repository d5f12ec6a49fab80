"""Dates as spans of time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.search.period import BEGINNING, END, as_datetime, microseconds, parse_span


def _at(*parts: int) -> int:
    return microseconds(datetime(*parts, tzinfo=UTC))  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "lo", "hi"),
    [
        ("2026", _at(2026, 1, 1), _at(2027, 1, 1)),
        ("2026-05", _at(2026, 5, 1), _at(2026, 6, 1)),
        ("2026-12", _at(2026, 12, 1), _at(2027, 1, 1)),
        ("2024-02", _at(2024, 2, 1), _at(2024, 3, 1)),
        ("2026-05-17", _at(2026, 5, 17), _at(2026, 5, 18)),
        ("2024-02-29", _at(2024, 2, 29), _at(2024, 3, 1)),
        ("1969-12-31", -86_400_000_000, 0),
        ("2026-05-17T10:00", _at(2026, 5, 17, 10), _at(2026, 5, 17, 10, 1)),
        ("2026-05-17T10:00Z", _at(2026, 5, 17, 10), _at(2026, 5, 17, 10, 1)),
        ("2026-05-17T10:00:07Z", _at(2026, 5, 17, 10, 0, 7), _at(2026, 5, 17, 10, 0, 8)),
        ("2026-05-17T10:00:07+02:00", _at(2026, 5, 17, 8, 0, 7), _at(2026, 5, 17, 8, 0, 8)),
        ("2026-05-17T23:30:00-05:00", _at(2026, 5, 18, 4, 30), _at(2026, 5, 18, 4, 30, 1)),
        (
            "2026-05-17T10:00:07.25Z",
            _at(2026, 5, 17, 10, 0, 7, 250_000),
            _at(2026, 5, 17, 10, 0, 7, 260_000),
        ),
        (
            "2026-05-17T10:00:07.123456789Z",
            _at(2026, 5, 17, 10, 0, 7, 123_456),
            _at(2026, 5, 17, 10, 0, 7, 123_457),
        ),
        ("2016-12-31T23:59:60Z", _at(2017, 1, 1), _at(2017, 1, 1, 0, 0, 1)),
        ("9999", _at(9999, 1, 1), _at(9999, 12, 31) + 86_400_000_000),
        ("0001", _at(1, 1, 1), _at(2, 1, 1)),
    ],
)
def test_a_date_is_all_the_time_it_leaves_open(text: str, lo: int, hi: int) -> None:
    assert parse_span(text) == (lo, hi)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "26",
        "0000",
        "2026-13",
        "2026-00",
        "2026-02-30",
        "2026-5",
        "2026-05-17T",
        "2026-05-17T25:00:00Z",
        "2026-05-17T10:00:61Z",
        "2026-05-17T10:00:00.Z",
        "2026-05-17T10:00:00+25:00",
        "2026-05-17 10:00:00",
        "20260517",
        "٢٠٢٦",
        "2026-05-17T10:00:00Z ",
        "2026-W20-1",
        "2026-05-17T10:00:00.1" + "1" * 40 + "Z",
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_span(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_survive(moment: datetime) -> None:
    assert as_datetime(microseconds(moment)) == moment


def test_what_datetime_cannot_hold_becomes_its_limits() -> None:
    assert as_datetime(BEGINNING) == datetime.min.replace(tzinfo=UTC)
    assert as_datetime(END) == datetime.max.replace(tzinfo=UTC)
    assert (
        as_datetime(parse_span("9998").hi) < as_datetime(parse_span("9999").hi) < as_datetime(END)
    )
