"""What else the resources of a type must meet before this caller may find them: policy rows and scopes with a search.

Added to whatever is asked of a type, at the beginning of a search as at the end of a chain, so that matches, totals and
what chains reveal keep to it. Which patients a caller reaches at all stands in every statement anyway (`scope`).
"""

from fhirserver.auth.policy import ALWAYS, Filters
from fhirserver.auth.reach import Group, Reach, reach
from fhirserver.auth.scopes import criterion_of
from fhirserver.search.criterion import AnyOf, Criterion
from fhirserver.store.search.clause import all_of, any_of
from fhirserver.store.search.criteria import Compiled, compiled
from fhirserver.store.search.scope import Scope, rows_of
from fhirserver.store.search.session import Session
from fhirserver.store.search.verification import Holds, Some, every


async def confined(session: Session, scope: Scope, criterion: Criterion) -> Compiled:
    """Return `criterion` about those rows of `scope` that the caller may search. Raises as `criteria.compiled`."""
    meant = await compiled(session, scope, criterion)
    if session.access.everything:
        return meant
    searched = reach(session.access, "search", scope.type)
    if searched.filters == ALWAYS and searched == reach(session.access, "read", scope.type):
        return meant
    limits = await _limits(session, scope, searched)
    return _together(meant, limits)


async def _limits(session: Session, scope: Scope, searched: Reach) -> Compiled:
    parts = [await _limit(session, scope, one, one.filters) for one in searched.groups]
    if searched.unnamed:
        parts.append(await _limit(session, scope, None, searched.unnamed))
    full = Some(tuple(one.full for one in parts))
    clause = any_of([one.clause for one in parts], scope.alias)
    return Compiled(clause, None if all(one.exact for one in parts) else full, full)


async def _limit(session: Session, scope: Scope, group: Group | None, filters: Filters) -> Compiled:
    rows = rows_of(
        [] if group is None else [group],
        unnamed=group is None,
        alias=scope.alias,
        blind=session.blind,
    )
    own = Compiled(rows, None, Holds(rows))
    if filters == ALWAYS:
        return own
    wanted = AnyOf(tuple(criterion_of(scope.type, one) for one in sorted(filters)))
    return _together(own, await compiled(session, scope, wanted))


def _together(one: Compiled, other: Compiled) -> Compiled:
    checks = [part.check for part in (one, other) if part.check is not None]
    return Compiled(
        all_of([one.clause, other.clause]),
        every(checks) if checks else None,
        every([one.full, other.full]),
    )
