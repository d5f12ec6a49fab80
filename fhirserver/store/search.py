"""Search in SQL: blind keys by GIN, times and ranges by B-tree, pages by position.

Hits that the index cannot decide exactly (a string longer than its hashed prefixes, a quantity's unit) are verified by
the in-memory matcher after decryption, and the page is filled by reading on.
"""

from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.crypto.blind_index import BlindIndex, distinct
from fhirserver.definitions.loader import Definitions
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.kernel import keys
from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Page, Stored
from fhirserver.search.aliases import sources
from fhirserver.search.comparison import Comparison, Test, envelope, of_instants
from fhirserver.search.condition import Condition, IdValue
from fhirserver.search.match import matches
from fhirserver.search.period import as_datetime, microseconds
from fhirserver.search.query import Query, SortKey
from fhirserver.search.ranges import query_ranges
from fhirserver.search.terms import query_terms
from fhirserver.store import cursor
from fhirserver.store.cursor import Position
from fhirserver.store.read import ReadContext, Reader
from fhirserver.store.rows import parameter_number, term_key
from fhirserver.wire import fhir_json

_COLUMNS: Final[dict[str, LiteralString]] = {"time": "time", "last-updated": "updated", "id": "id"}
_OPERATORS: Final[dict[str, LiteralString]] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
# Rows read per round while a page is filled from hits that must be verified.
_VERIFY_ROUND: Final = 200
# meta.lastUpdated is written to the millisecond, so a version's last update spans one.
_LAST_UPDATED_MICROSECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of a WHERE clause with its arguments."""

    sql: LiteralString
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A query ready to run but for its position: `exact` False means that hits must be verified."""

    clauses: tuple[Clause, ...]
    order: LiteralString
    sort: tuple[SortKey, ...]
    exact: bool


async def search(reader: Reader, context: ReadContext, access: Access, query: Query) -> Page:
    """Return one page of the matches `access` may see. Raises `BadRequest` for a cursor that is not of this search."""
    caller = access.principal
    blind = (await context.keys.tenant(caller.tenant)).blind
    located = await _locate(reader, context, access, query)
    planned = plan(query, access, blind, context.definitions, located)
    position = (
        None if query.cursor_key is None else cursor.decode(query.cursor_key, query, caller, blind)
    )
    if query.count == 0:
        return Page((), None)
    found: list[tuple[Stored, Position]] = []
    wanted = query.count + 1
    while len(found) < wanted:
        limit = wanted if planned.exact else max(wanted, _VERIFY_ROUND)
        rows = await _run(reader, access, planned, position, limit)
        opened = await reader.opened(caller.tenant, query.type, [row[:7] for row in rows])
        for stored, row in zip(opened, rows, strict=True):
            position = Position(_values(planned.sort, row), row[0])
            if planned.exact or matches(fhir_json.read(stored.content), query, context.definitions):
                found.append((stored, position))
        if len(rows) < limit:
            break
    page = found[: query.count]
    more = len(found) > query.count
    return Page(
        tuple(stored for stored, _ in page),
        cursor.encode(page[-1][1], query, caller, blind) if more else None,
    )


def plan(
    query: Query, access: Access, blind: BlindIndex, definitions: Definitions, located: list[UUID]
) -> Plan:
    """Return the SQL of `query` as `access` may run it; `located` are the rows its `_id` conditions name."""
    clauses = [
        Clause(
            "type = %s AND tenant = %s AND NOT deleted",
            (definitions.type_number(query.type), access.principal.tenant),
        )
    ]
    if not access.everything:
        patients = sorted(blind.own(f"Patient/{one}") for one in access.patients)
        # A resource of a patient-bound type without exactly one patient is not for limited callers to find.
        of_patients = belongs_to(query.type).kind == "patient"
        related: LiteralString = "patient = ANY (%s::bigint[])"
        clauses.append(
            Clause(related if of_patients else "(patient IS NULL OR " + related + ")", (patients,))
        )
    required: list[int] = []
    exact = True
    for condition in query.conditions:
        if condition.answered_by == "terms":
            found = query_terms(query.type, condition)
            wanted = distinct(term_key(blind, query.type, term) for term in found.terms)
            exact = exact and found.exact
            if condition.negated:
                clauses.append(Clause("NOT (keys && %s::bigint[])", (wanted,)))
            elif len(wanted) == 1:
                required += wanted
            else:
                clauses.append(Clause("keys && %s::bigint[]", (wanted,)))
        elif condition.answered_by == "id":
            clauses.append(Clause("id = ANY (%s::uuid[])", (located,)))
        else:
            clause, certain = _range(query.type, condition)
            clauses.append(clause)
            exact = exact and certain
    if required:
        clauses.append(Clause("keys @> %s::bigint[]", (distinct(required),)))
    sort = query.sort or (SortKey("id", descending=False),)
    if sort[-1].by != "id":
        sort = (*sort, SortKey("id", sort[-1].descending))
    order: LiteralString = ", ".join(
        _COLUMNS[key.by] + (" DESC" if key.descending else "") for key in sort
    )
    return Plan(tuple(clauses), order, sort, exact)


def _range(type_: str, condition: Condition) -> tuple[Clause, bool]:
    wanted = query_ranges(condition)
    if condition.answered_by == "range":
        inner = _comparison(wanted.comparison, "r.lo", "r.hi", as_time=False)
        sql: LiteralString = (
            "EXISTS (SELECT 1 FROM resource_range r WHERE r.bucket = resource.bucket AND r.type = resource.type "
            "AND r.id = resource.id AND r.param = ANY (%s::bigint[]) AND "
        )
        params = [parameter_number(type_, one) for one in sources(type_, condition.param)]
        return Clause(sql + inner.sql + ")", (params, *inner.args)), wanted.exact
    if condition.answered_by == "last-updated":
        instants = of_instants(wanted.comparison, _LAST_UPDATED_MICROSECONDS)
        return _comparison(instants, "updated", "updated", as_time=True), wanted.exact
    full = _comparison(wanted.comparison, "time", "time_end", as_time=True)
    before = envelope(wanted.comparison).before
    if before is None:
        return full, wanted.exact
    # Every hit begins before this: a bound the time index can start from.
    return Clause("time < %s AND " + full.sql, (as_datetime(int(before)), *full.args)), wanted.exact


def _comparison(
    comparison: Comparison, lo: LiteralString, hi: LiteralString, *, as_time: bool
) -> Clause:
    alternatives: list[LiteralString] = []
    args: list[Any] = []
    for tests in comparison:
        parts: list[LiteralString] = []
        for test in tests:
            parts.append((lo if test.side == "lo" else hi) + " " + _OPERATORS[test.op] + " %s")
            args.append(_bound(test, as_time=as_time))
        alternatives.append("(" + " AND ".join(parts) + ")")
    return Clause("(" + " OR ".join(alternatives) + ")", tuple(args))


def _bound(test: Test, *, as_time: bool) -> Any:
    return as_datetime(int(test.bound)) if as_time else test.bound


def after(sort: tuple[SortKey, ...], position: Position) -> Clause:
    """Return the clause for rows behind `position`; a row without a time sorts last ascending, first descending."""
    alternatives: list[LiteralString] = []
    args: list[Any] = []
    equal: list[LiteralString] = []
    equal_args: list[Any] = []
    values = (*position.values, None)
    for key, value in zip(sort, values, strict=True):
        column = _COLUMNS[key.by]
        bound: Any = (
            position.row if key.by == "id" else (None if value is None else as_datetime(value))
        )
        behind = _behind(column, bound, descending=key.descending)
        if behind is not None:
            alternatives.append("(" + " AND ".join([*equal, behind]) + ")")
            args += [*equal_args, *([] if bound is None else [bound])]
        equal.append(column + (" IS NULL" if bound is None else " = %s"))
        equal_args += [] if bound is None else [bound]
    return Clause("(" + " OR ".join(alternatives) + ")", tuple(args))


def _behind(column: LiteralString, bound: Any, *, descending: bool) -> LiteralString | None:
    if bound is None:
        return column + " IS NOT NULL" if descending else None
    if descending:
        return column + " < %s"
    return column + " > %s" if column == "id" else "(" + column + " > %s OR " + column + " IS NULL)"


async def _run(
    reader: Reader, access: Access, planned: Plan, position: Position | None, limit: int
) -> list[Any]:
    clauses = (
        planned.clauses if position is None else (*planned.clauses, after(planned.sort, position))
    )
    where: LiteralString = " AND ".join(clause.sql for clause in clauses)
    args = [argument for clause in clauses for argument in clause.args]
    async with reader.caller(access) as connection:
        # Planned anew each time: how common a key is decides between its GIN index and the time index.
        found = await connection.execute(
            "SELECT id, fhir_id, version, updated, deleted, key_id, content, time FROM resource WHERE "
            + where + " ORDER BY " + planned.order + " LIMIT %s",
            (*args, limit),
            prepare=False,
        )  # fmt: skip
        return await found.fetchall()


def _values(sort: tuple[SortKey, ...], row: Any) -> tuple[int | None, ...]:
    """Return the sort values of a row, without the id that ends every order."""
    of = {"time": row[7], "last-updated": row[3], "id": None}
    found = [of[key.by] for key in sort[:-1]]
    return tuple(None if moment is None else microseconds(moment) for moment in found)


async def _locate(reader: Reader, context: ReadContext, access: Access, query: Query) -> list[UUID]:
    """Return the rows that the `_id` conditions of `query` name; ids that are not there name none."""
    wanted: set[str] | None = None
    for condition in query.conditions:
        if condition.answered_by == "id":
            ids = {value.id for value in condition.values if isinstance(value, IdValue)}
            wanted = ids if wanted is None else wanted & ids
    if not wanted:
        return []
    rows = [row for row in (keys.row_of(one) for one in wanted) if row is not None]
    async with reader.caller(access) as connection:
        found = await connection.execute(
            "SELECT id FROM resource_location WHERE tenant = %s AND type = %s AND fhir_id = ANY (%s)",
            (access.principal.tenant, context.definitions.type_number(query.type), sorted(wanted)),
        )
        rows += [row[0] for row in await found.fetchall()]
    return rows
