"""A tree of criteria as one WHERE clause, and what it leaves to be verified.

A clause never loses a hit. Where it may let others pass, the check says which; what is denied cannot be left open that
way, so a denied criterion that is not exact is true for every row and only the check decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fhirserver.kernel.errors import BadRequest
from fhirserver.search.condition import Condition, TokenValue
from fhirserver.search.criterion import (
    AllOf,
    AnyOf,
    Chain,
    Composite,
    Contained,
    Criterion,
    FullText,
    Has,
    InList,
    Near,
    Not,
    walk,
)
from fhirserver.search.query_terms import is_protected_date
from fhirserver.search.ranges import query_ranges
from fhirserver.store import component_ranges
from fhirserver.store.search import leaf, references
from fhirserver.store.search.clause import ALWAYS, Clause, all_of, any_of, negated
from fhirserver.store.search.ranges import RangeRows, numbered, of_rows
from fhirserver.store.search.scope import Scope
from fhirserver.store.search.session import Session
from fhirserver.store.search.verification import Check, Fails, Holds, Meets, Some, every


@dataclass(frozen=True, slots=True)
class Compiled:
    """A criterion in SQL. `check` None: exact. `full` decides it alone, whatever the clause has said."""

    clause: Clause
    check: Check | None
    full: Check

    @property
    def exact(self) -> bool:
        """Whether the clause lets nothing but hits pass."""
        return self.check is None


async def compiled(session: Session, scope: Scope, criterion: Criterion) -> Compiled:
    """Return `criterion` about the rows of `scope`; other resources it follows are looked for now.

    Raises `TooCostly` where those are too many, `BadRequest` for what cannot be asked inside a contained resource.
    """
    match criterion:
        case AllOf(parts=parts):
            dated, others = _dates(session, scope, parts)
            rest = [await compiled(session, scope, part) for part in others]
            return _all(criterion, [*rest, *dated])
        case AnyOf(parts=parts):
            return _any(criterion, scope, [await compiled(session, scope, part) for part in parts])
        case Not(inner=inner):
            return _not(criterion, scope, await compiled(session, scope, inner))
        case Chain() | Has() | InList():
            clause = await references.followed(session, scope, criterion)
            return Compiled(clause, None, Holds(clause))
        case Condition(answered_by="id"):
            clause = await references.identified(session, scope, criterion)
            return Compiled(clause, None, Meets(criterion))
        case Composite():
            return await _composite(session, scope, criterion)
        case _:
            if isinstance(criterion, Contained):
                _require_own(criterion.inner)
            return _single(session, scope, criterion)


def _dates(
    session: Session, scope: Scope, parts: Sequence[Criterion]
) -> tuple[list[Compiled], Sequence[Criterion]]:
    """Return the conditions of `parts` on one protected date as one, and what is left of `parts`."""
    dated = [
        one for one in parts if isinstance(one, Condition) and is_protected_date(scope.type, one)
    ]
    if len(dated) < 2 or len({one.param for one in dated}) > 1:
        return [], parts
    found = leaf.of_one_date(session, scope, dated)
    if found is None:
        return [], parts
    clause, exact = found
    full = Meets(AllOf(tuple(dated)))
    return [Compiled(clause, None if exact else full, full)], [
        one for one in parts if one not in dated
    ]


def _single(
    session: Session, scope: Scope, criterion: Condition | FullText | Near | Contained
) -> Compiled:
    clause, exact = leaf.answer(session, scope, criterion)
    return Compiled(clause, None if exact else Meets(criterion), Meets(criterion))


def _all(criterion: AllOf, parts: list[Compiled]) -> Compiled:
    open_ = [one.check for one in parts if one.check is not None]
    return Compiled(
        all_of([one.clause for one in parts]),
        every(open_) if open_ else None,
        _whole(criterion, [one.full for one in parts], every([one.full for one in parts])),
    )


def _any(criterion: AnyOf, scope: Scope, parts: list[Compiled]) -> Compiled:
    full = _whole(criterion, [one.full for one in parts], Some(tuple(one.full for one in parts)))
    exact = all(one.exact for one in parts)
    return Compiled(
        any_of([one.clause for one in parts], scope.alias), None if exact else full, full
    )


def _not(criterion: Not, scope: Scope, inner: Compiled) -> Compiled:
    full = _whole(criterion, [inner.full], Fails(inner.full))
    if inner.exact:
        return Compiled(negated(inner.clause, scope.alias), None, full)
    return Compiled(ALWAYS, full, full)


def _whole(criterion: Criterion, parts: list[Check], apart: Check) -> Check:
    """Return the check of a criterion in one piece where no part of it needs other resources."""
    return Meets(criterion) if all(isinstance(one, Meets) for one in parts) else apart


async def _composite(session: Session, scope: Scope, criterion: Composite) -> Compiled:
    special = _by_component(session, scope, criterion)
    if special is not None:
        clause, exact = special
        return Compiled(clause, None if exact else Meets(criterion), Meets(criterion))
    before = await compiled(session, scope, criterion.prefilter)
    exact = criterion.exact and before.exact
    return Compiled(before.clause, None if exact else Meets(criterion), Meets(criterion))


_COMBINED = "combo-code-value-quantity"


def _by_component(session: Session, scope: Scope, criterion: Composite) -> leaf.Answer | None:
    """Return the answer from the ranges that belong to a component's code, None where they cannot give it."""
    if scope.type != "Observation" or criterion.param not in (
        component_ranges.PARAMETER,
        _COMBINED,
    ):
        return None
    rows: list[RangeRows] = []
    exact = True
    for code, quantity in criterion.alternatives:
        (token,) = code.values
        if not isinstance(token, TokenValue) or token.code is None or quantity.modifier is not None:
            return None
        wanted = query_ranges(scope.type, replace(quantity, param=component_ranges.VALUES))
        exact = exact and wanted.exact and token.system is None
        for test in wanted.tests:
            numbers = [
                component_ranges.number(session.blind, one, token.code) for one in test.params
            ]
            rows.append(RangeRows(tuple(numbers), test.comparison))
        if criterion.param == _COMBINED:
            own, sure = leaf.answer(session, scope, replace(code, param="code"))
            values = query_ranges(scope.type, replace(quantity, param="value-quantity"))
            rows += [numbered(scope.type, test)._replace(beside=own) for test in values.tests]
            exact = exact and sure and values.exact
    return of_rows(scope, rows), exact


def _require_own(criterion: Criterion) -> None:
    if any(isinstance(one, Chain | Has | InList) for one in walk(criterion)):
        msg = "chains, _has and _list cannot be asked of contained resources"
        raise BadRequest(msg)
