"""Several conditions on one birth date are one list of units: it finds what meets them all, and nothing else."""

from itertools import product

import pytest

from fhirserver import definitions
from fhirserver.search.comparison import date_comparison, holds
from fhirserver.search.condition import Condition, DateValue
from fhirserver.search.criterion import AllOf
from fhirserver.search.period import parse_span
from fhirserver.search.protected import index_units
from fhirserver.search.query import parse
from fhirserver.search.query_terms import is_protected_date, terms_of_all

DEFINITIONS = definitions.load()
BORN = (
    "1899-12-31", "1959-12-31", "1960", "1960-01-01", "1960-03", "1960-04-15", "1961", "1964-02-29", "1969-12-31",
    "1969-12", "1970", "1970-01-01", "1970-04", "2049-12-31", "2050-01-01",
)  # fmt: skip


def _conditions(text: str) -> list[Condition]:
    pairs = [("birthdate", one) for one in text.split("&")]
    where = parse("Patient", pairs, DEFINITIONS).wanted[0].where
    assert isinstance(where, AllOf)
    parts = [one for one in where.parts if isinstance(one, Condition)]
    assert len(parts) == len(pairs)
    assert all(is_protected_date("Patient", one) for one in parts)
    return parts


@pytest.mark.parametrize(
    "text",
    [
        "ge1960&lt1970",
        "gt1960&le1970",
        "ge1960-04-15&le1960-04-15",
        "sa1960&eb1970",
        "ne1961&ge1960",
        "1964,1961&lt1970",
        "ge1960,1899-12-31&lt1961,2050",
        "gt1970&lt1960",
        "ge1950&lt1980&ne1964-02-29",
        "ap1960&lt1970-04",
    ],
)
def test_the_units_find_what_meets_every_condition(text: str) -> None:
    conditions = _conditions(text)
    found = terms_of_all(conditions)
    assert found is not None
    units = {term.text[1:] for term in found.terms}
    for born in BORN:
        span = parse_span(born)
        meets = all(
            any(
                holds(date_comparison(value), span)
                for value in one.values
                if isinstance(value, DateValue)
            )
            for one in conditions
        )
        hit = bool(units & set(index_units(*span)))
        # What is not exact is verified; nothing is missed in any case.
        assert hit == meets if found.exact else hit >= meets, born


def test_a_span_of_years_asks_for_what_lies_in_it_alone() -> None:
    each = [terms_of_all([one]) for one in _conditions("ge1960&lt1970")]
    apart = sum(len(one.terms) for one in each if one is not None)
    together = terms_of_all(_conditions("ge1960&lt1970"))
    assert together is not None
    assert together.exact
    assert len(together.terms) < apart / 10


def test_too_many_ways_to_meet_all_are_asked_one_by_one() -> None:
    values = ",".join(f"ne{year}-{month:02}" for year, month in product((1960, 1961), range(1, 6)))
    assert terms_of_all(_conditions(f"{values}&{values}")) is None
