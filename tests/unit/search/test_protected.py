"""Dates that are only stored as hashes of calendar units."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.search.comparison import date_comparison, holds
from fhirserver.search.condition import DateValue, Prefix
from fhirserver.search.period import parse_span
from fhirserver.search.protected import MAX_TERMS, index_units, query_units
from fhirserver.search.value import parse_date

_dates = st.one_of(
    st.dates().map(str),
    st.dates().map(lambda day: f"{day:%Y-%m}".zfill(7)),
    st.dates().map(lambda day: f"{day.year:04}"),
    st.sampled_from(["1899-12-31", "1850", "1850-01-01", "2049", "2049-12-31", "2100-01-01"]),
)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("1980-05-17", ("1980 quarter 2", "1980-05", "1980-05-17")),
        ("1980-05", ("1980 quarter 2", "1980-05", "only 1980-05")),
        ("1980", ("only 1980",)),
        ("1980-05-17T23:30:00-05:00", ("1980 quarter 2", "1980-05", "1980-05-18")),
        ("1899-12-31", ("before",)),
        ("2050", ("after",)),
        ("9999", ("after",)),
        ("0001", ("before",)),
    ],
)
def test_a_date_is_in_its_year_month_and_day(text: str, units: tuple[str, ...]) -> None:
    assert index_units(*parse_span(text)) == units


def _whole(year: int) -> set[str]:
    # The year itself: rows of earlier releases have it, and no quarters.
    return {f"{year}", f"only {year}", *(f"{year} quarter {one}" for one in range(1, 5))}


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("1980", _whole(1980)),
        ("1980-05", {"1980-05"}),
        ("1980-05-17", {"1980-05-17"}),
        (
            "ge2048-12-30",
            {"2048-12-30", "2048-12-31", "after", "only 2048-12", "only 2048", *_whole(2049)},
        ),
        ("gt2049-11", {"2049-12", "only 2049", "after"}),
    ],
)
def test_a_query_asks_for_the_fewest_units(text: str, units: set[str]) -> None:
    found, exact = query_units(date_comparison(parse_date(text)))
    # "only 2048" reaches beyond the 30th as a whole, yet does not start with it.
    assert (set(found), exact) == (units, True)


@settings(max_examples=60, deadline=None)
@given(wanted=_dates, found=_dates, prefix=st.sampled_from(get_args(Prefix)))
def test_units_answer_like_the_dates_themselves(wanted: str, found: str, prefix: Prefix) -> None:
    comparison = date_comparison(DateValue(prefix, *parse_span(wanted)))
    units, exact = query_units(comparison)
    assert len(units) == len(set(units)) <= MAX_TERMS
    hit = bool(set(units) & set(index_units(*parse_span(found))))
    truth = holds(comparison, parse_span(found))
    assert hit >= truth
    assert not exact or hit is truth


@settings(max_examples=40, deadline=None)
@given(
    year=st.integers(1900, 2049), month=st.integers(1, 12), prefix=st.sampled_from(get_args(Prefix))
)
def test_whole_units_are_answered_exactly_inside_the_calendar(
    year: int, month: int, prefix: Prefix
) -> None:
    for text in (f"{year}", f"{year}-{month:02}", f"{year}-{month:02}-15"):
        _, exact = query_units(date_comparison(DateValue(prefix, *parse_span(text))))
        assert exact or prefix == "ap"


def test_a_time_of_day_must_be_verified() -> None:
    units, exact = query_units(date_comparison(parse_date("1980-05-17T10:00:00Z")))
    assert units == ("1980-05-17",)
    assert not exact
