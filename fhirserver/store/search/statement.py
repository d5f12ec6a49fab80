"""A whole search as statements: the rows of a page, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from fhirserver.search.query import Query, SortKey
from fhirserver.store.search import lookup, order
from fhirserver.store.search.clause import Clause, all_of, settled
from fhirserver.store.search.criteria import Compiled, compiled
from fhirserver.store.search.cursor import Position
from fhirserver.store.search.lookup import FEW, Branch
from fhirserver.store.search.rounds import Statement
from fhirserver.store.search.session import Session

# What every statement returns first: type number, then what `Reader.opened` takes.
FIXED: Final = 8
_COLUMNS: Final = (
    "{a}.id, {a}.fhir_id, {a}.version, {a}.updated, {a}.deleted, {a}.key_id, {a}.content"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A search ready to run but for its place. `sort` is total."""

    branches: tuple[Branch, ...]
    sort: tuple[SortKey, ...]

    @property
    def exact(self) -> bool:
        """Whether no match needs to be verified."""
        return all(one.check is None for one in self.branches)

    @property
    def told(self) -> int:
        """How many columns of truths a row has at most."""
        return max((len(one.told) for one in self.branches), default=0)


async def plan(session: Session, query: Query) -> Plan:
    """Return the statements' parts; resources that other resources are found by are looked for now."""
    branches = []
    for wanted in query.wanted:
        scope = session.scope(wanted.type, "r")
        meant: Compiled = await compiled(session, scope, wanted.where)
        where = settled(session.current(scope, meant.clause), scope.alias)
        if where.sql != "false":
            found = await _driven(session, Branch(scope, where, meant.check))
            drivers = meant.clause.drivers
            alone = bool(drivers) and meant.clause.sql == drivers[0].clause.sql
            branches.append(replace(found, alone=alone and not meant.clause.required))
    return Plan(tuple(branches), order.complete(query.sort))


async def _driven(session: Session, branch: Branch) -> Branch:
    """Return `branch` looked up by its ranges, where no key of it is rare: how many there are decides how."""
    if branch.where.rare or not branch.where.drivers:
        return branch
    driver = branch.where.drivers[0]
    ids = lookup.by_value(branch.scope, driver, FEW + 1)
    counted = Statement(f"SELECT count(*) FROM ({ids.sql}) c", ids.args, settled=True)
    found = await session.ask(counted)
    return replace(branch, driver=driver, few=found[0][0] <= FEW)


def rows(
    planned: Plan, position: Position | None, limit: int, *, fenced: bool = False
) -> list[Statement]:
    """Return the statements that give the next `limit` rows, each what the one before leaves to be filled.

    `fenced`: so that matches are found first and put in order then.
    Columns: type number, id, fhir_id, version, updated, deleted, key_id, content; the sort values but the id; truths.
    """
    known = [key for key in planned.sort if key.by != "text"]
    branches = [_fenced(one) for one in planned.branches] if fenced else planned.branches
    parts = [_ordered(one, known, planned.told, position, limit) for one in branches]
    phases = max((len(one) for one in parts), default=0)
    names = [f"s{number}" for number in range(len(known) - 1)] + ["id"]
    found = []
    for phase in range(phases):
        of_phase = [one[phase] for one in parts if phase < len(one)]
        if len(of_phase) == 1:
            found.append(of_phase[0])
            continue
        union = " UNION ALL ".join(f"({one.sql})" for one in of_phase)
        args = tuple(arg for one in of_phase for arg in one.args)
        sql = f"SELECT * FROM ({union}) u ORDER BY {order.by(names, known)} LIMIT {limit:d}"
        found.append(Statement(sql, args, all(one.settled for one in of_phase)))
    return found


def _fenced(branch: Branch) -> Branch:
    return replace(branch, where=replace(branch.where, rare=True))


def _ordered(
    branch: Branch, sort: Sequence[SortKey], told: int, position: Position | None, limit: int
) -> list[Statement]:
    scope = branch.scope
    values = [order.value_of(scope, key) for key in sort]
    truths = list(branch.told)
    truths += [Clause("NULL::boolean")] * (told - len(truths))
    outputs = [
        f"{scope.number:d} AS type",
        _COLUMNS.format(a=scope.alias),
        *(f"{one.sql} AS s{number}" for number, one in enumerate(values[:-1])),
        *(f"({one.sql}) AS x{number}" for number, one in enumerate(truths)),
    ]
    output_args = tuple(arg for one in (*values[:-1], *truths) for arg in one.args)
    # Values that are looked up for every row are named by their output column, not looked up again.
    names = [
        one.sql if not one.args else f"s{number}" for number, one in enumerate(values[:-1])
    ] + [values[-1].sql]
    places: Sequence[Clause | None] = (
        (None,) if position is None else order.after(values, sort, position)
    )
    found = []
    for place in places:
        where = branch.where if place is None else all_of((branch.where, place))
        source = lookup.source(branch, where, place, sort)
        # Ids that were put in order already are named where that is known.
        ordered = [lookup.ORDERED] if source.ordered else names
        found.append(
            Statement(
                f"SELECT {', '.join(outputs)} FROM {source.clause.sql} "
                f"ORDER BY {order.by(ordered, sort)} LIMIT {limit:d}",
                (*output_args, *source.clause.args),
                source.settled,
            )
        )
    return found


def count(planned: Plan) -> Statement:
    """Return the statement that counts every row, without verification."""
    parts = [
        f"(SELECT count(*) FROM resource {one.scope.alias} WHERE {one.where.sql})"
        for one in planned.branches
    ]
    args = tuple(arg for one in planned.branches for arg in one.where.args)
    return Statement(f"SELECT {' + '.join(parts) or '0'}", args)


def estimates(planned: Plan) -> list[Statement]:
    """Return the statements whose plans say how many rows there are about."""
    return [
        Statement(
            f"EXPLAIN (FORMAT JSON) SELECT 1 FROM resource {one.scope.alias} WHERE {one.where.sql}",
            one.where.args,
        )
        for one in planned.branches
    ]
