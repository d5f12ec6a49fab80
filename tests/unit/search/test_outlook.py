"""Which of a search's conditions finds its rows, out of what is known of how frequent their values are."""

from datetime import UTC, datetime, timedelta

import pytest

from fhirserver.search.query import SortKey
from fhirserver.store.search.clause import (
    EVERY,
    Clause,
    Estimate,
    Span,
    all_of,
    any_of,
    keys_required,
    settled,
)
from fhirserver.store.search.lookup import Branch, source
from fhirserver.store.search.outlook import outlook
from fhirserver.store.search.scope import Scope
from fhirserver.store.search.statistics import Statistics, Times

SCOPE = Scope("Observation", 96, "r")
BASE = Clause("r.type = 96", estimate=EVERY)
BY_ID = (SortKey("id", descending=False),)
BY_TIME = (SortKey("time", descending=True), SortKey("id", descending=True))
DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
# A hundred thousand rows, a thousand a day.
KNOWN = Statistics(
    {1: Estimate(50_000, 0.5), 2: Estimate(40, 0.0004), 3: Estimate(2_000, 0.02)},
    {
        "observation": (
            Times(
                [(FIRST + n * DAY).timestamp() for n in range(101)],
                90_000,
                [FIRST.timestamp()],
                [7],
            ),
        )
    },
    {"observation": 100_000},
)


def found_by(*parts: Clause, sort: tuple[SortKey, ...] = BY_ID) -> tuple[str, bool]:
    """Return the FROM clause of the first 20 rows that meet `parts`, and whether its plan is kept."""
    where = settled(all_of((BASE, *parts)), "r")
    found = source(Branch(SCOPE, where, None, outlook(SCOPE, where, KNOWN)), where, None, sort, 20)
    return found.clause.sql, found.settled


def key(number: int) -> Clause:
    return keys_required((number,), KNOWN.key(number))


def span(after: datetime | None, before: datetime | None) -> Clause:
    start = None if after is None else after - DAY
    return Clause("r.time IS NOT NULL", span=Span(start, after, before))


def test_a_rare_key_finds_its_rows() -> None:
    sql, kept = found_by(key(99))
    assert sql.startswith(
        "(SELECT r.* FROM resource r WHERE (r.type = 96 AND r.keys @> %s::bigint[]) OFFSET 0) r"
    )
    assert kept


def test_a_common_key_is_asked_of_the_rows_in_order() -> None:
    assert found_by(key(1)) == ("resource r WHERE (r.keys @> %s::bigint[] AND r.type = 96)", True)


def test_keys_are_as_rare_together_as_the_rarest_of_them() -> None:
    sql, kept = found_by(key(1), key(2))
    assert "OFFSET 0" in sql
    assert kept


def test_the_rest_is_asked_of_what_was_found() -> None:
    sql, _ = found_by(key(2), Clause("r.updated > %s", (FIRST,)))
    assert sql.endswith("OFFSET 0) r WHERE r.updated > %s")


def test_what_nobody_has_counted_is_for_the_planner() -> None:
    sql, kept = found_by(key(1), Clause("r.updated > %s", (FIRST,)))
    assert "OFFSET 0" not in sql
    assert not kept


def test_alternatives_are_as_frequent_as_all_of_them() -> None:
    either = any_of([settled(key(2), "r"), settled(key(99), "r")], "r")
    assert either.estimate == Estimate(40, 0.0004, 2.0)
    assert "OFFSET 0" in found_by(either)[0]
    assert any_of([settled(key(2), "r"), Clause("r.updated > now()")], "r").estimate is None


def test_a_short_time_finds_its_rows() -> None:
    sql, kept = found_by(span(FIRST + DAY, None), span(None, FIRST + 2 * DAY))
    assert "r.time < %s AND (r.time > %s OR" in sql
    assert sql.count("r.time IS NOT NULL AND r.time IS NOT NULL") == 1, "each row is asked as well"
    assert kept


def test_a_long_time_is_asked_of_the_rows_in_order() -> None:
    sql, kept = found_by(span(FIRST + DAY, None), sort=BY_TIME)
    assert "OFFSET 0" not in sql
    assert kept
    # The rows of a time came together: going by id may meet none of them for long.
    assert not found_by(span(FIRST + DAY, None))[1]


def test_a_patient_with_many_rows_is_gone_through_by_time() -> None:
    many = Clause("r.patient = %s", (5,), patient=5, estimate=Estimate(4_000, 0.04))
    assert "OFFSET 0" not in found_by(many, key(1), sort=BY_TIME)[0]
    few = Clause("r.patient = %s", (5,), patient=5, estimate=Estimate(20, 0.0002))
    assert "OFFSET 0" in found_by(few, key(1), sort=BY_TIME)[0]


def test_a_text_with_many_places_is_not_kept() -> None:
    either = any_of([settled(key(100 + n), "r") for n in range(40)], "r")
    assert either.rare
    assert not found_by(either)[1]


@pytest.mark.parametrize(
    ("after", "before", "rows"),
    [
        (None, None, 90_007),
        (FIRST + 10 * DAY, FIRST + 11 * DAY, 900),
        (FIRST - DAY, FIRST + DAY / 2, 457),
        (FIRST + 200 * DAY, None, 0),
        (FIRST + 2 * DAY, FIRST + DAY, 0),
    ],
)
def test_rows_of_a_time_are_estimated(
    after: datetime | None, before: datetime | None, rows: float
) -> None:
    found = KNOWN.time("Observation", after, before)
    assert found is not None
    assert round(found.rows) == rows


def test_what_had_many_rows_is_remembered_and_bounded() -> None:
    known = Statistics()
    assert not known.has_many((1, "a"))
    for number in range(20_000):
        known.found_many((1, number))
    known.found_many((1, "late"))
    assert known.has_many((1, 0))
    assert not known.has_many((1, "late"))
    assert not Statistics().has_many((1, 0))


def test_times_nobody_has_counted_are_not_known() -> None:
    assert KNOWN.time("Encounter", FIRST, None) is None
    assert Statistics({}, {}, {"rest": 10}).time("Appointment", FIRST, None) == Estimate(0, 0)
