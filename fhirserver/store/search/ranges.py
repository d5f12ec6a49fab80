"""Conditions on `resource_range`: numbers, quantities and all dates but a type's primary one.

Nearly all ranges of numbers are single points, and there is an index by the lower end. A condition on the upper end is
therefore asked of the lower end first; the ranges that have two ends have an index of their own.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

from fhirserver.search.comparison import Comparison, Test
from fhirserver.search.ranges import RangeTest
from fhirserver.store.rows import parameter_number
from fhirserver.store.search.clause import (
    ALWAYS,
    Clause,
    Driver,
    Stretch,
    Walk,
    all_of,
    any_of,
    settled,
)
from fhirserver.store.search.scope import Scope


class RangeRows(NamedTuple):
    """Rows of `resource_range` with one of these parameter numbers that meet a comparison.

    `beside` is what the resource itself must meet with them.
    """

    numbers: tuple[int, ...]
    comparison: Comparison
    beside: Clause = ALWAYS


def numbered(type_: str, test: RangeTest) -> RangeRows:
    """Return the rows that a test is about."""
    numbers = tuple(parameter_number(type_, one) for one in test.params)
    return RangeRows(numbers, test.comparison)


def of_rows(scope: Scope, wanted: Sequence[RangeRows]) -> Clause:
    """Return the condition that the resource has one of the `wanted` ranges."""
    walks = [(number, one) for one in wanted for number in one.numbers]
    either = any_of(
        [all_of((_row(number, one), settled(one.beside, scope.alias))) for number, one in walks],
        "g",
    )
    if either.sql == "false":
        return either
    exists = Clause(
        f"EXISTS (SELECT 1 FROM resource_range g WHERE g.type = {scope.number:d} "
        f"AND g.id = {scope.alias}.id AND {either.sql})",
        either.args,
    )
    driver = Driver(
        exists,
        tuple(stretch for one in wanted for stretch in _stretches(one)),
        tuple(
            Walk(
                _row(number, one),
                None if one.beside is ALWAYS else settled(one.beside, scope.alias),
            )
            for number, one in walks
        ),
        exact=all(one.beside is ALWAYS for one in wanted),
    )
    return Clause(exists.sql, exists.args, drivers=(driver,))


def _row(number: int, wanted: RangeRows) -> Clause:
    """Return the condition of a row of parameter `number` as it is meant."""
    alternatives = [
        all_of([Clause(f"g.{test.side} {test.op} %s", (test.bound,)) for test in tests])
        for tests in wanted.comparison
    ]
    return all_of((Clause("g.param = %s", (number,)), any_of(alternatives, "g")))


def _stretches(wanted: RangeRows) -> list[Stretch]:
    """Return the same as alternatives that are each a stretch of one index."""
    return [
        Stretch(
            all_of((Clause("g.param = %s", (number,)), *(one.clause for one in chosen))),
            "hi" if any(one.column == "hi" for one in chosen) else "lo",
        )
        for number in wanted.numbers
        for tests in wanted.comparison
        for chosen in product(*(_choices(test) for test in tests))
    ]


def _choices(test: Test) -> tuple[Stretch, ...]:
    bound: Any = test.bound
    if test.side == "lo":
        return (Stretch(Clause(f"g.lo {test.op} %s", (bound,)), "lo"),)
    if ">" in test.op:
        return (
            Stretch(Clause(f"g.lo {test.op} %s", (bound,)), "lo"),
            Stretch(Clause(f"g.lo < g.hi AND g.hi {test.op} %s", (bound,)), "hi"),
        )
    return (Stretch(Clause(f"g.lo {test.op} %s AND g.hi {test.op} %s", (bound, bound)), "lo"),)
