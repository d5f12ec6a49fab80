"""How the rows of a search are found: the FROM clause that suits what is known of how many there are.

- A condition that few rows meet, by what is known of them (`outlook`), finds them; they are sorted then. The planner
  would rather go through everything in order and stop at the first page, which never comes.
- What many rows meet is gone through in order.
- Few ranges (`FEW`) are looked up by value, and their resources by id.
- Where many ranges are all that is asked for, resources come in the order of ids, as the ranges of a parameter do.
- Otherwise the planner knows best.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from fhirserver.search.query import SortKey
from fhirserver.store.search.clause import EVERY, Clause, Driver, Walk, all_of, settled, without
from fhirserver.store.search.outlook import FEW, Outlook
from fhirserver.store.search.scope import Scope
from fhirserver.store.search.verification import Check, asked_of_rows

# More parameters than this are not gone through side by side.
_MOST_WALKS: Final = 8
# The most arguments that a statement may have whose text is kept with its plan.
MOST_PLACES: Final = 32
# The column of ids that are in order already.
ORDERED: Final = "d.id"


@dataclass(frozen=True, slots=True)
class Branch:
    """The matches of one type: everything but their order and place.

    With a `driver`, resources are looked up by ranges: `few` of them, or else, where many of those that have the ranges
    meet the rest as well (`alone`), in the order of ids.
    """

    scope: Scope
    where: Clause
    check: Check | None
    outlook: Outlook
    driver: Driver | None = None
    few: bool = False
    alone: bool = False

    @property
    def told(self) -> tuple[Clause, ...]:
        """What a row must say for its verification."""
        return tuple(settled(one, self.scope.alias) for one in asked_of_rows(self.check))


@dataclass(frozen=True, slots=True)
class Source:
    """A FROM clause; `ordered` says that its rows come by `ORDERED`, `settled` that no value in it changes its plan."""

    clause: Clause
    ordered: bool = False
    settled: bool = False


def by_value(scope: Scope, driver: Driver, most: int) -> Clause:
    """Return the statement of the ids (some more than once) that the driver's ranges name, `most` of each stretch."""
    selects = [
        f"(SELECT g.id FROM resource_range g WHERE g.type = {scope.number:d} AND {one.clause.sql} "
        f"ORDER BY g.{one.column} LIMIT {most:d})"
        for one in driver.stretches
    ]
    args = tuple(arg for one in driver.stretches for arg in one.clause.args)
    return Clause(" UNION ALL ".join(selects), args)


def found_first(branch: Branch, where: Clause) -> Source:
    """Return the FROM clause of all rows that meet `where`, found before they are put in order."""
    # OFFSET 0 keeps the order out of the choice of index.
    alias = branch.scope.alias
    fenced = f"(SELECT {alias}.* FROM resource {alias} WHERE {where.sql} OFFSET 0) {alias}"
    return Source(Clause(fenced, where.args))


def as_planned(branch: Branch, where: Clause) -> Source:
    """Return the FROM clause of the rows that meet `where`, for the planner to see the values of."""
    return Source(Clause(f"resource {branch.scope.alias} WHERE {where.sql}", where.args))


def source(
    branch: Branch, where: Clause, place: Clause | None, sort: Sequence[SortKey], limit: int
) -> Source:
    """Return the FROM clause of the first `limit` rows that meet `where`, which contains their `place`."""
    found = _source(branch, where, place, sort, limit)
    # A text for each number of alternatives would be prepared for each.
    return replace(found, settled=found.settled and len(found.clause.args) <= MOST_PLACES)


def _source(
    branch: Branch, where: Clause, place: Clause | None, sort: Sequence[SortKey], limit: int
) -> Source:
    alias, driver = branch.scope.alias, branch.driver
    by_id = len(sort) == 1
    if driver is None or not (branch.few or (by_id and branch.alone and _walkable(driver))):
        if branch.outlook.finds(sort, limit):
            return _found(branch, where)
        return replace(as_planned(branch, where), settled=branch.outlook.walks(sort, limit))
    rest = without(where, driver.clause) if driver.exact else where
    if branch.few:
        listed = by_value(branch.scope, driver, FEW + 1)
        ids = Clause(f"SELECT DISTINCT c.id FROM ({listed.sql}) c", listed.args)
    else:
        ids = _by_id(branch.scope, driver, place)
    direction = " DESC" if sort[-1].descending else ""
    found = Clause(
        f"({ids.sql} ORDER BY c.id{direction}) d CROSS JOIN LATERAL "
        f"(SELECT {alias}.* FROM resource {alias} WHERE {alias}.id = d.id AND {rest.sql} OFFSET 0) {alias}",
        (*ids.args, *rest.args),
    )
    return Source(found, ordered=by_id, settled=True)


def _found(branch: Branch, where: Clause) -> Source:
    """Return the rows that the outlook's finder finds, and that meet the rest of `where` then."""
    alias, finder = branch.scope.alias, branch.outlook.finder
    assert finder is not None
    within = all_of([*(one for one in where.conjuncts if one.estimate is EVERY), finder.clause])
    inner = f"(SELECT {alias}.* FROM resource {alias} WHERE {within.sql} OFFSET 0) {alias}"
    # A span of time that is found is still to be held against each row: the finder's bounds are wider.
    parts = finder.parts if finder.clause in finder.parts else ()
    rest = all_of(
        [one for one in where.conjuncts if one.estimate is not EVERY and one not in parts]
    )
    if rest.sql == "true":
        return Source(Clause(inner, within.args), settled=True)
    return Source(Clause(f"{inner} WHERE {rest.sql}", (*within.args, *rest.args)), settled=True)


def _walkable(driver: Driver) -> bool:
    """Return whether the driver's ids can be had in order without looking at many resources for nothing."""
    return len(driver.walks) <= _MOST_WALKS and all(
        one.beside is None or one.beside.rare for one in driver.walks
    )


def _by_id(scope: Scope, driver: Driver, place: Clause | None) -> Clause:
    """Return the statement of the ids behind `place`, each part of which an index has in their order."""
    parts = [_walk(scope, one, place) for one in driver.walks]
    args = tuple(arg for one in parts for arg in one.args)
    if len(parts) == 1:
        return Clause(f"SELECT DISTINCT c.id FROM ({parts[0].sql}) c", args)
    # UNION, not DISTINCT over UNION ALL: it merges parts that are in order already.
    union = " UNION ".join(f"({one.sql})" for one in parts)
    return Clause(f"SELECT c.id FROM ({union}) c", args)


def _walk(scope: Scope, walk: Walk, place: Clause | None) -> Clause:
    alias = scope.alias
    condition = f"g.type = {scope.number:d} AND {walk.clause.sql}"
    behind, args = ("", ()) if place is None else (" AND " + place.sql, place.args)
    if walk.beside is None:
        here = behind.replace(f"{alias}.", "g.")
        return Clause(
            f"SELECT g.id FROM resource_range g WHERE {condition}{here}", (*walk.clause.args, *args)
        )
    # Few resources meet what stands beside: they are found first.
    return Clause(
        f"SELECT k.id FROM (SELECT {alias}.id FROM resource {alias} WHERE {alias}.type = {scope.number:d} "
        f"AND {walk.beside.sql}{behind} AND EXISTS (SELECT 1 FROM resource_range g "
        f"WHERE g.id = {alias}.id AND {condition}) OFFSET 0) k",
        (*walk.beside.args, *args, *walk.clause.args),
    )
