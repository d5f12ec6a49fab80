"""What comes along with the matches of a page.

Each page brings what its own matches refer to or are referred to by, each resource once, and never one that is a match
of the page itself. Whoever may not see a resource does not get it here either.

Spec: https://hl7.org/fhir/R4/search.html#include
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fhirserver.auth import may_ever, shows
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.kernel import keys
from fhirserver.kernel.resource import Stored
from fhirserver.search.aliases import ALIASES, sources
from fhirserver.search.entry import ReferenceEntry
from fhirserver.search.extract import extract
from fhirserver.search.query import Include
from fhirserver.store.connection import Row
from fhirserver.store.search.clause import Clause
from fhirserver.store.search.pages import opened_rows
from fhirserver.store.search.rounds import Statement
from fhirserver.store.search.session import Session, too_costly
from fhirserver.wire import fhir_json

# Resources that one page may bring along.
MAX_INCLUDED: Final = 1000
# Rounds of `:iterate`.
_MAX_ROUNDS: Final = 20
_COLUMNS: Final = "r.id, r.fhir_id, r.version, r.updated, r.deleted, r.key_id, r.content"

Target = tuple[str, str]


async def included(
    session: Session, includes: Sequence[Include], matches: Sequence[Stored]
) -> tuple[Stored, ...]:
    """Return what `includes` add to the `matches` of a page. Raises `TooCostly` when that is too much."""
    known: dict[Target, Stored] = {}
    of_page = {(one.type, one.id) for one in matches}
    frontier, asked = list(matches), list(includes)
    for _ in range(_MAX_ROUNDS):
        if not frontier or not asked:
            return tuple(known.values())
        found = [
            *await _referred(session, [one for one in asked if not one.reverse], frontier, of_page | set(known)),
            *await _referring(session, [one for one in asked if one.reverse], frontier),
        ]  # fmt: skip
        frontier = []
        for one in found:
            target = (one.type, one.id)
            if target in of_page or target in known:
                continue
            if shows(session.access, one):
                known[target] = one
                frontier.append(one)
        if len(known) > MAX_INCLUDED:
            raise _too_many()
        asked = [one for one in includes if one.iterate]
    if frontier:
        raise too_costly(f"its includes iterate more than {_MAX_ROUNDS} times")
    return tuple(known.values())


async def _referred(
    session: Session, includes: Sequence[Include], of: Sequence[Stored], known: set[Target]
) -> list[Stored]:
    """Return the targets of the references that `includes` follow from the resources `of`."""
    if not includes:
        return []
    wanted = {target for one in of for target in _targets(session, includes, one)} - known
    if len(wanted) > MAX_INCLUDED:
        raise _too_many()
    by_type: dict[str, list[str]] = {}
    for type_, id_ in sorted(wanted):
        if may_ever(session.access, "read", type_, belongs_to(type_).kind):
            by_type.setdefault(type_, []).append(id_)
    if not by_type:
        return []
    placed = await _placed(session, by_type)
    statements = [
        _of_type(
            session,
            type_,
            Clause(
                "r.id = ANY (%s::uuid[]) AND (r.fhir_id IS NULL OR r.fhir_id = ANY (%s::text[]))",
                (placed[type_], ids),
            ),
        )
        for type_, ids in by_type.items()
        if placed[type_]
    ]
    return await _opened(session, await session.ask_all(statements)) if statements else []


def _targets(session: Session, includes: Sequence[Include], one: Stored) -> Iterator[Target]:
    asked = [include for include in includes if include.source in (None, one.type)]
    if not asked:
        return
    for entry in extract(fhir_json.read_own(one.content), session.definitions):
        if not isinstance(entry, ReferenceEntry) or entry.type is None or entry.id is None:
            continue
        # A resource of another server is not here, whatever its id.
        if entry.target != f"{entry.type}/{entry.id}":
            continue
        for include in asked:
            if include.param in (None, entry.param) and include.target in (None, entry.type):
                yield entry.type, entry.id


async def _placed(session: Session, by_type: dict[str, list[str]]) -> dict[str, list[object]]:
    """Return the row ids behind the ids of each type."""
    numbers = {type_: session.definitions.type_number(type_) for type_ in by_type}
    names = {number: type_ for type_, number in numbers.items()}
    placed: dict[str, list[object]] = {
        type_: [row for row in map(keys.row_of, ids) if row is not None]
        for type_, ids in by_type.items()
    }
    pairs = [(numbers[type_], id_) for type_, ids in by_type.items() for id_ in ids]
    located = await session.ask(
        Statement(
            "SELECT l.type, l.id FROM unnest(%s::smallint[], %s::text[]) AS w(t, f) "
            "JOIN resource_location l ON l.tenant = %s AND l.type = w.t AND l.fhir_id = w.f",
            ([number for number, _ in pairs], [id_ for _, id_ in pairs], session.tenant),
        )
    )
    for number, row in located:
        placed[names[number]].append(row)
    return placed


async def _referring(
    session: Session, includes: Sequence[Include], to: Sequence[Stored]
) -> list[Stored]:
    """Return the resources that refer to those of `to` as `includes` say."""
    wanted: dict[str, set[int]] = {}
    for include in includes:
        types = (include.source,) if include.source else session.definitions.resource_types
        for type_ in types:
            if not may_ever(session.access, "read", type_, belongs_to(type_).kind):
                continue
            found = wanted.setdefault(type_, set())
            for one in to:
                if include.target in (None, one.type):
                    own = session.blind.own(one.reference)
                    params = _params(session, type_, include, one.type)
                    found.update(own ^ constant for constant in params)
    statements = [
        _of_type(session, type_, Clause("r.keys && %s::bigint[]", (sorted(found),)))
        for type_, found in wanted.items()
        if found
    ]
    return await _opened(session, await session.ask_all(statements)) if statements else []


def _params(session: Session, type_: str, include: Include, target: str) -> Iterator[int]:
    """Yield the constants of the parameters of `type_` through which `include` may refer to a `target`."""
    for code, parameter in session.definitions.search_parameters(type_).items():
        if parameter.type != "reference" or include.param not in (None, code):
            continue
        if include.param is None and target not in parameter.target:
            continue
        alias = ALIASES.get((type_, code))
        if alias is not None and alias.only not in (None, target):
            continue
        for one in sources(type_, code):
            yield session.blind.parameter_constant(type_, one)


def _of_type(session: Session, type_: str, where: Clause) -> Statement:
    scope = session.scope(type_, "r")
    rows = session.current(scope, where)
    return Statement(
        f"SELECT {scope.number:d}, {_COLUMNS} FROM resource r WHERE {rows.sql} LIMIT {MAX_INCLUDED + 1:d}",
        rows.args,
    )


async def _opened(session: Session, found: Iterable[Sequence[Row]]) -> list[Stored]:
    rows = [row for of_type in found for row in of_type]
    if len(rows) > MAX_INCLUDED:
        raise _too_many()
    return await opened_rows(session, rows)


def _too_many() -> Exception:
    return too_costly(f"a page would bring along more than {MAX_INCLUDED} other resources")
