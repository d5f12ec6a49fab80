"""A whole search as statements: the rows of a page, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from fhirserver.search.query import Query, SortKey
from fhirserver.store.search import lookup, order
from fhirserver.store.search.clause import Clause, all_of, settled
from fhirserver.store.search.confinement import confined
from fhirserver.store.search.criteria import Compiled
from fhirserver.store.search.cursor import Position
from fhirserver.store.search.lookup import MOST_PLACES, Branch, Source
from fhirserver.store.search.outlook import FEW, outlook
from fhirserver.store.search.rounds import Statement
from fhirserver.store.search.scope import Scope
from fhirserver.store.search.session import Session

# What every statement returns first: type number, then what `Reader.opened` takes.
FIXED: Final = 8
# Where this share of the resources that have a range meet the rest as well, going along the ranges fills the page soon.
_ALONG: Final = 0.5
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
        meant: Compiled = await confined(session, scope, wanted.where)
        where = settled(session.current(scope, meant.clause), scope.alias)
        if where.sql != "false":
            seen = outlook(scope, where, session.common)
            alone = _alone(session, scope, meant.clause)
            branch = Branch(scope, where, meant.check, seen, alone=alone)
            branches.append(await _driven(session, branch))
    return Plan(tuple(branches), order.complete(query.sort))


async def _driven(session: Session, branch: Branch) -> Branch:
    """Return `branch` looked up by its ranges, where nothing finds few rows: how many ranges there are decides how."""
    if branch.outlook.few or not branch.where.drivers:
        return branch
    driver = branch.where.drivers[0]
    asked = (session.tenant, driver.clause.sql, repr(driver.clause.args))
    if session.common.has_many(asked):
        return replace(branch, driver=driver)
    ids = lookup.by_value(branch.scope, driver, FEW + 1)
    counted = Statement(f"SELECT count(*) FROM ({ids.sql}) c", ids.args, settled=True)
    found = await session.ask(counted)
    few = found[0][0] <= FEW
    if not few:
        session.common.found_many(asked)
    return replace(branch, driver=driver, few=few)


def _alone(session: Session, scope: Scope, meant: Clause) -> bool:
    """Return whether a good part of what has the ranges in `meant` meets the rest of it, as far as that is known."""
    if not meant.drivers:
        return False
    ranged = meant.drivers[0].clause.sql
    others = [one for one in settled(meant, scope.alias).conjuncts if one.sql != ranged]
    share = outlook(scope, all_of(others), session.common).share
    return share is not None and share >= _ALONG


# How the rows of a page are got: as is best by what is known, as the planner thinks with the values before it, or all
# matches first, to be put in order then.
Way = Literal["known", "planner", "all"]


def rows(
    planned: Plan, position: Position | None, limit: int, way: Way = "known"
) -> list[Statement]:
    """Return the statements that give the next `limit` rows, each what the one before leaves to be filled.

    Columns: type number, id, fhir_id, version, updated, deleted, key_id, content; the sort values but the id; truths.
    """
    known = [key for key in planned.sort if key.by != "text"]
    parts = [_ordered(one, known, planned.told, position, limit, way) for one in planned.branches]
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
        sql = f"SELECT * FROM ({union}) u ORDER BY {order.by(names, known)} LIMIT %s"
        kept = len(args) <= MOST_PLACES and all(one.settled for one in of_phase)
        found.append(Statement(sql, (*args, limit), kept))
    return found


def _ordered(
    branch: Branch,
    sort: Sequence[SortKey],
    told: int,
    position: Position | None,
    limit: int,
    way: Way,
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
        source = _source(branch, where, place, sort, limit, way)
        # Ids that were put in order already are named where that is known.
        ordered = [lookup.ORDERED] if source.ordered else names
        found.append(
            Statement(
                f"SELECT {', '.join(outputs)} FROM {source.clause.sql} "
                f"ORDER BY {order.by(ordered, sort)} LIMIT %s",
                (*output_args, *source.clause.args, limit),
                source.settled,
            )
        )
    return found


def _source(
    branch: Branch,
    where: Clause,
    place: Clause | None,
    sort: Sequence[SortKey],
    limit: int,
    way: Way,
) -> Source:
    match way:
        case "known":
            return lookup.source(branch, where, place, sort, limit)
        case "planner":
            return lookup.as_planned(branch, where)
        case "all":
            return lookup.found_first(branch, where)


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
