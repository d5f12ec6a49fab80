"""Where a criterion is looked at: the rows of one type, under one alias, as one caller may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from fhirserver.auth.reach import Group, reach
from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.principal import Access
from fhirserver.store.search.clause import ALWAYS, EVERY, Clause, all_of, any_of


@dataclass(frozen=True, slots=True)
class Scope:
    """Rows of resource type `type` (its `number`) in a FROM clause under `alias`."""

    type: str
    number: int
    alias: str


def current_rows(
    scope: Scope, access: Access, blind: BlindIndex, patient: int | None = None
) -> Clause:
    """Return the condition of the current, undeleted rows of the scope that `access` may read.

    The type stands in the text, so that a plan looks at its partition only. `patient` is the key of the one whose rows
    are asked for anyway, where it is known.
    """
    alias = scope.alias
    of_type = _of_type(scope.number, alias, access.principal.tenant)
    if patient is not None and patient in readable_patients(access, scope.type, blind):
        return of_type
    return all_of((of_type, _readable(access, scope.type, alias, blind)))


@lru_cache(maxsize=4096)
def _of_type(number: int, alias: str, tenant: int) -> Clause:
    return Clause(
        f"{alias}.type = {number:d} AND {alias}.tenant = %s AND NOT {alias}.deleted",
        (tenant,),
        estimate=EVERY,
    )


@lru_cache(maxsize=4096)
def _readable(access: Access, type_: str, alias: str, blind: BlindIndex) -> Clause:
    """Return the rows of `type_` that `auth.visible` would let pass, decided by their patient column.

    A resource of a patient's type that names several patients has no patient in its row: it is for administrators to
    find.
    """
    if access.everything:
        return ALWAYS
    reached = reach(access, "read", type_)
    return rows_of(reached.groups, unnamed=bool(reached.unnamed), alias=alias, blind=blind)


def rows_of(groups: Sequence[Group], *, unnamed: bool, alias: str, blind: BlindIndex) -> Clause:
    """Return the condition of the rows of the patients of `groups`, and with `unnamed` of those of no single patient."""
    wide = any(one.patients is None for one in groups)
    if wide and unnamed:
        return ALWAYS
    named = frozenset[str]().union(*(one.patients or () for one in groups))
    allowed = sorted(blind.own(f"Patient/{one}") for one in named)
    alternatives = []
    if wide:
        alternatives.append(Clause(f"{alias}.patient IS NOT NULL"))
    elif len(allowed) == 1:
        # One value, so that an index gives its rows in order.
        alternatives.append(Clause(f"{alias}.patient = %s", (allowed[0],)))
    elif allowed:
        # An array literal, made once for a caller: the driver looks at every element of a list each time.
        literal = f"{{{','.join(map(str, allowed))}}}"
        alternatives.append(Clause(f"{alias}.patient = ANY (%s::bigint[])", (literal,)))
    if unnamed:
        alternatives.append(Clause(f"{alias}.patient IS NULL"))
    return any_of(alternatives, alias)


@lru_cache(maxsize=4096)
def readable_patients(access: Access, type_: str, blind: BlindIndex) -> frozenset[int]:
    """Return the keys of the patients whose resources of `type_` a caller with limits may read."""
    if access.everything:
        return frozenset()
    return frozenset(blind.own(f"Patient/{one}") for one in reach(access, "read", type_).patients)
