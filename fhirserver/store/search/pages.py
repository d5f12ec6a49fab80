"""One page of matches: read on until it is full, verified where the index cannot tell."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from fhirserver.auth import shows
from fhirserver.kernel.resource import Json, Stored
from fhirserver.search.order import sort_value
from fhirserver.search.query import Query
from fhirserver.store.connection import Row
from fhirserver.store.search import order, statement
from fhirserver.store.search.cursor import Position
from fhirserver.store.search.session import Session, too_costly
from fhirserver.store.search.statement import FIXED, Plan
from fhirserver.store.search.verification import holds
from fhirserver.wire import fhir_json

# Rows read in one round while matches must be verified: twice the page at first, then as many as the hits so far make
# likely to fill it.
_LARGEST_ROUND: Final = 1000
# Rows looked at for one page; then it ends early, with a cursor.
_MAX_EXAMINED: Final = 5000
# Matches that are sorted here, or verified to be counted.
MAX_SORTED: Final = 10_000
# After so many rows the other requests of the process get a turn.
_TURN: Final = 100


@dataclass(frozen=True, slots=True)
class Match:
    """A resource that stands, and its place."""

    stored: Stored
    position: Position


@dataclass(frozen=True, slots=True)
class Found:
    """The matches of a page, and where the next begins; None: there are no more."""

    matches: tuple[Stored, ...]
    after: Position | None


async def page(session: Session, planned: Plan, query: Query, position: Position | None) -> Found:
    """Return the matches behind `position`, at most `query.count`; fewer with more to come after many looked at."""
    if order.in_memory(planned.sort):
        return await _sorted_page(session, planned, query, position)
    wanted = query.count + 1
    found: list[Match] = []
    examined = 0
    limit = wanted if planned.exact else 2 * wanted
    while len(found) < wanted:
        rows = await _next_rows(session, planned, position, limit)
        examined += len(rows)
        found += await _standing(session, planned, rows)
        if len(rows) < limit:
            break
        position = _position(planned, rows[-1])
        if examined >= _MAX_EXAMINED and len(found) < wanted:
            return Found(tuple(one.stored for one in found[: query.count]), position)
        missing = wanted - len(found)
        limit = min(max(wanted, missing * examined // max(len(found), 1)), _LARGEST_ROUND)
    matches = found[: query.count]
    more = len(found) > query.count
    return Found(tuple(one.stored for one in matches), matches[-1].position if more else None)


async def _next_rows(
    session: Session, planned: Plan, position: Position | None, limit: int
) -> list[Row]:
    rows: list[Row] = []
    for phase, one in enumerate(statement.rows(planned, position, limit)):
        found = await session.tried(one)
        if found is None and one.settled:
            # What is known of how frequent values are was wrong, or old: the planner may know better.
            found = await session.tried(statement.rows(planned, position, limit, "planner")[phase])
        if found is None:
            # Hits were expected along the way and did not come: find them all first, then put them in order.
            found = await session.ask(statement.rows(planned, position, limit, "all")[phase])
        rows += found
        if len(rows) >= limit:
            break
    return rows[:limit]


async def _standing(session: Session, planned: Plan, rows: Sequence[Row]) -> list[Match]:
    """Return the rows that are hits and visible."""
    opened = await opened_rows(session, rows)
    checks = {one.scope.number: one.check for one in planned.branches}
    limited = not session.access.everything
    found = []
    for turn, (row, stored) in enumerate(zip(rows, opened, strict=True)):
        if limited and not shows(session.access, stored):
            continue
        check = checks[row[0]]
        if check is not None:
            if turn % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            body = fhir_json.read_own(stored.content)
            told = iter(row[-planned.told :] if planned.told else ())
            if not holds(check, body, told, session.definitions):
                continue
        found.append(Match(stored, _position(planned, row)))
    return found


async def opened_rows(session: Session, rows: Sequence[Row]) -> list[Stored]:
    """Return the rows (type number first) decrypted, in their order."""
    name = session.definitions.type_name
    keys = session.context.keys
    await keys.load(session.tenant, {row[6] for row in rows})
    found: list[Stored] = []
    for number, same in groupby(rows, key=itemgetter(0)):
        of_type = [row[1:FIXED] for row in same]
        found += await session.reader.opened(session.tenant, name(number), of_type)
    return found


def _position(planned: Plan, row: Row) -> Position:
    return Position(tuple(row[FIXED : FIXED + len(planned.sort) - 1]), row[1])


async def _sorted_page(
    session: Session, planned: Plan, query: Query, position: Position | None
) -> Found:
    standing = await _every_match(session, planned, "sorted")
    placed: list[tuple[tuple[Any, ...], Stored, Any]] = []
    for turn, match in enumerate(standing):
        if turn % _TURN == _TURN - 1:
            await asyncio.sleep(0)
        body = fhir_json.read_own(match.stored.content)
        placed.append((_values(session, planned, body), match.stored, match.position.row))
    placed.sort(key=lambda one: one[2], reverse=planned.sort[-1].descending)
    ordered = order.sorted_in_memory([(one[0], one) for one in placed], planned.sort)
    if position is not None:
        ordered = [
            one for one in ordered if order.is_behind(one[0], one[2], planned.sort, position)
        ]
    matches = ordered[: query.count]
    more = len(ordered) > query.count
    after = Position(matches[-1][0], matches[-1][2]) if more and matches else None
    return Found(tuple(one[1] for one in matches), after)


def _values(session: Session, planned: Plan, body: Json) -> tuple[Any, ...]:
    return tuple(sort_value(body, key, session.definitions) for key in planned.sort[:-1])


async def counted(session: Session, planned: Plan) -> int:
    """Return how many matches there are, exactly."""
    if planned.exact:
        return int((await session.ask(statement.count(planned)))[0][0])
    return len(await _every_match(session, planned, "looked at"))


async def _every_match(session: Session, planned: Plan, purpose: str) -> list[Match]:
    """Return all matches by id. Raises `TooCostly` when there are more rows than can be `purpose` here."""
    unordered = Plan(planned.branches, order.complete(()))
    rows: list[Row] = []
    for one in statement.rows(unordered, None, MAX_SORTED + 1):
        rows += await session.ask(one)
    if len(rows) > MAX_SORTED:
        raise too_costly(f"more than {MAX_SORTED} matches would have to be {purpose} one by one")
    return await _standing(session, unordered, rows)
