"""The order of matches and the place between two of them.

Sort values that the database knows (times, last updates, ids, numbers and dates in ranges) are sorted by it; it only
has hashes of texts, codes and references, so those are sorted here, over a bounded number of matches.

A row without a value sorts last ascending and first descending, wherever it is sorted; ties are in the order of row ids.

Spec: https://hl7.org/fhir/R4/search.html#sort
"""

from collections.abc import Sequence
from typing import Any, Final

from fhirserver.search.aliases import sources
from fhirserver.search.query import SortKey
from fhirserver.store.rows import parameter_number
from fhirserver.store.search.clause import Clause
from fhirserver.store.search.cursor import Position, Value
from fhirserver.store.search.scope import Scope

_COLUMNS: Final = {"time": "time", "last-updated": "updated", "id": "id"}


def complete(sort: Sequence[SortKey]) -> tuple[SortKey, ...]:
    """Return the keys up to the row id, which makes the order total. Without any, rows come in the order of ids."""
    keys = tuple(sort) or (SortKey("id", descending=False),)
    for position, key in enumerate(keys):
        if key.by == "id":
            return keys[: position + 1]
    return (*keys, SortKey("id", keys[-1].descending))


def in_memory(sort: Sequence[SortKey]) -> bool:
    """Return whether the database does not know some of the sort values."""
    return any(key.by == "text" for key in sort)


def value_of(scope: Scope, key: SortKey) -> Clause:
    """Return the expression of a sort value that the database knows."""
    if key.by != "range":
        return Clause(f"{scope.alias}.{_COLUMNS[key.by]}")
    numbers = [parameter_number(scope.type, one) for one in sources(scope.type, key.param)]
    found = "max(s.hi)" if key.descending else "min(s.lo)"
    return Clause(
        f"(SELECT {found} FROM resource_range s WHERE s.type = {scope.number:d} "
        f"AND s.id = {scope.alias}.id AND s.param = ANY (%s::bigint[]))",
        (numbers,),
    )


def by(columns: Sequence[str], sort: Sequence[SortKey]) -> str:
    """Return the ORDER BY list over `columns`, which hold the values of `sort`."""
    return ", ".join(
        column + (" DESC" if key.descending else "")
        for column, key in zip(columns, sort, strict=True)
    )


def after(
    columns: Sequence[Clause], sort: Sequence[SortKey], position: Position
) -> tuple[Clause, ...]:
    """Return the conditions of the rows behind `position`, whose `columns` hold the values of `sort`.

    The rows of each condition come before those of the next. There are two where rows without a value come last: so
    each has a bound that an index can start from.
    """
    bounds = (*position.values, position.row)
    first, key, bound = columns[0], sort[0], bounds[0]
    if key.by == "id":
        return (_compared(first, "<" if key.descending else ">", bound),)
    if bound is None:
        if not key.descending:
            return (_all([_null(first), _rest(columns[1:], sort[1:], bounds[1:])]),)
        behind = _all([_null(first), _rest(columns[1:], sort[1:], bounds[1:])])
        return behind, Clause(f"{first.sql} IS NOT NULL", first.args)
    start = _compared(first, "<=" if key.descending else ">=", bound)
    here = _all([start, _rest(columns, sort, bounds)])
    return (here,) if key.descending else (here, _null(first))


def _rest(columns: Sequence[Clause], sort: Sequence[SortKey], bounds: Sequence[Any]) -> Clause:
    """Return the exact condition of the rows behind `bounds`."""
    alternatives: list[Clause] = []
    equal: list[Clause] = []
    for column, key, bound in zip(columns, sort, bounds, strict=True):
        behind = _behind(column, key, bound)
        if behind is not None:
            alternatives.append(_all([*equal, behind]))
        equal.append(_null(column) if bound is None else _compared(column, "=", bound))
    return _joined(alternatives, " OR ")


def _behind(column: Clause, key: SortKey, bound: Value | Any) -> Clause | None:
    if bound is None:
        # Nulls come first descending, so everything else is behind; they come last ascending.
        return Clause(f"{column.sql} IS NOT NULL", column.args) if key.descending else None
    if key.descending:
        return _compared(column, "<", bound)
    larger = _compared(column, ">", bound)
    if key.by == "id":
        return larger
    return _joined([larger, _null(column)], " OR ")


def _null(column: Clause) -> Clause:
    return Clause(f"{column.sql} IS NULL", column.args)


def _all(parts: Sequence[Clause]) -> Clause:
    return _joined(parts, " AND ")


def _compared(column: Clause, operator: str, bound: Any) -> Clause:
    return Clause(f"{column.sql} {operator} %s", (*column.args, bound))


def _joined(parts: Sequence[Clause], word: str) -> Clause:
    text = word.join(one.sql for one in parts)
    return Clause(f"({text})", tuple(arg for one in parts for arg in one.args))


def sorted_in_memory(
    rows: Sequence[tuple[tuple[Value, ...], Any]], sort: Sequence[SortKey]
) -> list[Any]:
    """Return the rows, given each as (its values, itself), in the order of `sort`; they are in that of its last key."""
    ordered = list(rows)
    for position in reversed(range(len(sort) - 1)):
        ordered.sort(key=lambda row: _key(row[0][position]), reverse=sort[position].descending)
    return [itself for _, itself in ordered]


def _key(value: Value) -> tuple[int, Any]:
    """Return what sorts values of different kinds: numbers, texts, nothing."""
    if value is None:
        return 2, 0
    return (1, value) if isinstance(value, str) else (0, value)


def is_behind(
    values: tuple[Value, ...], row: Any, sort: Sequence[SortKey], position: Position
) -> bool:
    """Return whether a row with sort `values` comes after `position` in memory."""
    here = (*map(_key, values), (0, row))
    there = (*map(_key, position.values), (0, position.row))
    for key, one, other in zip(sort, here, there, strict=True):
        if one != other:
            return (one < other) if key.descending else (one > other)
    return False
