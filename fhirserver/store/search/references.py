"""Conditions about other resources: chains, `_has`, lists; and ids, which name rows.

Each link is asked for on its own first, so that the statement behind it knows what it is looking for: few resources are
named by their keys, many are looked up from the other side, row by row. A reference's key is its target's own
key combined with a constant of the parameter (`fhirserver.crypto.blind_index`), so that neither side is decrypted.

Spec: https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#has
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from fhirserver.auth import may_ever, visible
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.kernel import keys
from fhirserver.kernel.errors import Gone, NotFound
from fhirserver.search.aliases import ALIASES, sources
from fhirserver.search.condition import Condition, IdValue
from fhirserver.search.criterion import Chain, Criterion, Has, InList
from fhirserver.search.entry import ReferenceEntry
from fhirserver.search.extract import extract
from fhirserver.store.connection import Row
from fhirserver.store.search import confinement, criteria
from fhirserver.store.search.clause import ALWAYS, NEVER, Clause, any_of, negated, settled
from fhirserver.store.search.leaf import having_one_of
from fhirserver.store.search.rounds import Statement
from fhirserver.store.search.scope import Scope
from fhirserver.store.search.session import Session, too_costly
from fhirserver.store.search.verification import asked_of_rows, holds
from fhirserver.wire import fhir_json

# Up to so many resources at one end of a link are named one by one.
FEW: Final = 1000
# As many may be looked at one by one where the index cannot tell.
MAX_VERIFIED: Final = 5000
MAX_LIST_ITEMS: Final = 10_000
# Readings are too many to be found by their own key, so links to them carry the keys of all that are meant.
_WITHOUT_OWN_INDEX: Final = frozenset({"Observation", "AuditEvent"})
_MAX_NAMED: Final = 100_000
_COLUMNS: Final = (
    "{a}.id, {a}.fhir_id, {a}.version, {a}.updated, {a}.deleted, {a}.key_id, {a}.content"
)


async def followed(session: Session, scope: Scope, criterion: Chain | Has | InList) -> Clause:
    """Return the exact condition that `criterion` puts on the rows of `scope`. Raises `TooCostly`."""
    match criterion:
        case Chain():
            branches = [
                await _chain(session, scope, criterion.param, type_, inner)
                for type_, inner in criterion.branches
                if _leads(scope.type, criterion.param, type_)
                and may_ever(session.access, "search", type_, belongs_to(type_).kind)
            ]
            return any_of(branches, scope.alias)
        case Has():
            return await _has(session, scope, criterion)
        case InList(id=id_):
            return await _in_list(session, scope, id_)


async def identified(session: Session, scope: Scope, condition: Condition) -> Clause:
    """Return the condition that the row is one that `condition` names by its id."""
    if condition.missing is not None:
        return NEVER if condition.missing else ALWAYS
    ids = [value.id for value in condition.values if isinstance(value, IdValue)]
    named = await _named(session, scope, ids)
    return negated(named, scope.alias) if condition.negated else named


async def _named(session: Session, scope: Scope, ids: Sequence[str]) -> Clause:
    """Return the condition of the rows that have one of `ids`; an id that is not there names none."""
    wanted = sorted(set(ids))
    rows = [row for row in map(keys.row_of, wanted) if row is not None]
    # An id of ours that moved to another row is found like one that a client chose.
    found = await session.ask(
        Statement(
            f"SELECT id FROM resource_location WHERE tenant = %s AND type = {scope.number:d} "
            "AND fhir_id = ANY (%s::text[])",
            (session.tenant, wanted),
        )
    )
    rows += [row[0] for row in found]
    if not rows:
        return NEVER
    alias = scope.alias
    return Clause(
        f"({alias}.id = ANY (%s::uuid[]) AND ({alias}.fhir_id IS NULL OR {alias}.fhir_id = ANY (%s::text[])))",
        (rows, wanted),
        rare=True,
    )


async def _in_list(session: Session, scope: Scope, id_: str) -> Clause:
    try:
        stored = await session.reader.read(session.access, "List", id_)
    except (NotFound, Gone):
        return NEVER
    if not visible(session.access, "List", stored.content):
        return NEVER
    prefix = scope.type + "/"
    references = (
        entry.get("item", {}).get("reference", "")
        for entry in orjson.loads(stored.content).get("entry", ())
        if not entry.get("deleted", False)
    )
    ids = [
        one.removeprefix(prefix).partition("/")[0] for one in references if one.startswith(prefix)
    ]
    if len(ids) > MAX_LIST_ITEMS:
        raise too_costly(f"the list has more than {MAX_LIST_ITEMS} items")
    return await _named(session, scope, ids)


async def _chain(
    session: Session, scope: Scope, param: str, type_: str, inner: Criterion
) -> Clause:
    target = session.subscope(type_)
    meant = await confinement.confined(session, target, inner)
    where = settled(session.current(target, meant.clause), target.alias)
    if where.sql == "false":
        return NEVER
    constants = _constants(session, scope.type, param)
    many_by_own = type_ not in _WITHOUT_OWN_INDEX
    if meant.check is not None:
        found = [row[-1] for row in await _verified(session, target, meant, where)]
    else:
        most = FEW if many_by_own else _MAX_NAMED
        rows = await session.ask(
            Statement(
                f"SELECT {target.alias}.own FROM resource {target.alias} WHERE {where.sql} LIMIT {most + 1:d}",
                where.args,
            )
        )
        found = [row[0] for row in rows]
        if len(found) > most:
            if not many_by_own:
                raise too_costly(f"it follows references to more than {most} {type_}")
            return _from_the_row(scope, target, where, constants)
    if not found:
        return NEVER
    named = sorted({own ^ constant for own in found for constant in constants})
    return having_one_of(session, scope, named)


def _from_the_row(scope: Scope, target: Scope, where: Clause, constants: Sequence[int]) -> Clause:
    """Return the condition that some target is found under the row's keys; OFFSET 0 keeps it row by row."""
    return Clause(
        f"EXISTS (SELECT 1 FROM unnest({scope.alias}.keys) k CROSS JOIN unnest(%s::bigint[]) c "
        f"JOIN resource {target.alias} ON {target.alias}.own = k # c WHERE {where.sql} OFFSET 0)",
        (list(constants), *where.args),
    )


async def _has(session: Session, scope: Scope, criterion: Has) -> Clause:
    if not _leads(criterion.type, criterion.param, scope.type) or not may_ever(
        session.access, "search", criterion.type, belongs_to(criterion.type).kind
    ):
        return NEVER
    referrer = session.subscope(criterion.type)
    meant = await confinement.confined(session, referrer, criterion.inner)
    where = settled(session.current(referrer, meant.clause), referrer.alias)
    if where.sql == "false":
        return NEVER
    alias = referrer.alias
    if meant.check is not None:
        rows = await _verified(session, referrer, meant, where)
        if not rows:
            return NEVER
        where = Clause(
            f"{alias}.type = {referrer.number:d} AND {alias}.id = ANY (%s::uuid[])",
            ([row[0] for row in rows],),
        )
        few = True
    else:
        counted = await session.ask(
            Statement(
                f"SELECT count(*) FROM (SELECT 1 FROM resource {alias} WHERE {where.sql} LIMIT {FEW + 1:d}) c",
                where.args,
            )
        )
        if not counted[0][0]:
            return NEVER
        few = counted[0][0] <= FEW
    constants = list(_constants(session, criterion.type, criterion.param))
    if few and scope.type in _WITHOUT_OWN_INDEX:
        return await _read_from(session, scope, referrer, where, criterion.param)
    if few:
        return Clause(
            f"{scope.alias}.own IN (SELECT k # c FROM resource {alias} CROSS JOIN unnest({alias}.keys) k "
            f"CROSS JOIN unnest(%s::bigint[]) c WHERE {where.sql})",
            (constants, *where.args),
        )
    one = f"{alias}.keys @> ARRAY[{scope.alias}.own # %s::bigint]"
    either = " OR ".join([one] * len(constants))
    return Clause(
        f"EXISTS (SELECT 1 FROM resource {alias} WHERE ({either}) AND {where.sql} OFFSET 0)",
        (*constants, *where.args),
    )


async def _read_from(
    session: Session, scope: Scope, referrer: Scope, where: Clause, param: str
) -> Clause:
    """Return the condition of the rows that the (few) referrers name in their content."""
    columns = _COLUMNS.format(a=referrer.alias)
    rows = await session.ask(
        Statement(f"SELECT {columns} FROM resource {referrer.alias} WHERE {where.sql}", where.args)
    )
    params = sources(referrer.type, param)
    ids = {
        entry.id
        for stored in await session.reader.opened(session.tenant, referrer.type, rows)
        for entry in extract(fhir_json.read_own(stored.content), session.definitions)
        if isinstance(entry, ReferenceEntry)
        and entry.param in params
        and entry.type == scope.type
        and entry.id is not None
    }
    return await _named(session, scope, sorted(ids))


async def _verified(
    session: Session, scope: Scope, meant: "criteria.Compiled", where: Clause
) -> list[Row]:
    """Return (id, ..., own) of the rows that stand after verification. Raises `TooCostly` for too many to look at."""
    told = [settled(one, scope.alias) for one in asked_of_rows(meant.check)]
    extra = "".join(f", ({one.sql})" for one in told)
    args: list[Any] = [arg for one in told for arg in one.args]
    columns = _COLUMNS.format(a=scope.alias)
    rows = await session.ask(
        Statement(
            f"SELECT {columns}{extra}, {scope.alias}.own FROM resource {scope.alias} "
            f"WHERE {where.sql} LIMIT {MAX_VERIFIED + 1:d}",
            (*args, *where.args),
        )
    )
    if len(rows) > MAX_VERIFIED:
        raise too_costly(f"more than {MAX_VERIFIED} {scope.type} must be looked at one by one")
    opened = await session.reader.opened(session.tenant, scope.type, [row[:7] for row in rows])
    assert meant.check is not None
    return [
        row
        for row, stored in zip(rows, opened, strict=True)
        if holds(
            meant.check, fhir_json.read_own(stored.content), iter(row[7:-1]), session.definitions
        )
    ]


def _constants(session: Session, type_: str, param: str) -> Sequence[int]:
    return [session.blind.parameter_constant(type_, one) for one in sources(type_, param)]


def _leads(type_: str, param: str, target: str) -> bool:
    """Return whether `param` can lead to a `target`: one that is another's alias may be restricted to one type."""
    alias = ALIASES.get((type_, param))
    return alias is None or alias.only in (None, target)
