"""Single conditions as SQL: keys by GIN, the row's own times, ids."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from fhirserver.crypto.blind_index import distinct
from fhirserver.definitions.patient_of import patient_id
from fhirserver.search import coarse
from fhirserver.search.comparison import Comparison, Test, envelope, of_instants
from fhirserver.search.condition import Condition
from fhirserver.search.criterion import Contained, FullText, Near
from fhirserver.search.period import DAY, as_datetime
from fhirserver.search.query_terms import terms_of_all
from fhirserver.search.ranges import query_ranges
from fhirserver.search.terms import AnyOf, Term, query_terms
from fhirserver.store.rows import asked_keys, spread
from fhirserver.store.search.clause import (
    ALWAYS,
    NEVER,
    Clause,
    Estimate,
    Span,
    all_of,
    any_of,
    ends_behind,
    keys_required,
)
from fhirserver.store.search.ranges import numbered, of_rows
from fhirserver.store.search.scope import Scope
from fhirserver.store.search.session import Session

# meta.lastUpdated is written to the millisecond, so a version's last update spans one.
_LAST_UPDATED_MICROSECONDS: Final = 1000

# Every key asked for is held against every key of a row: what that costs for one, in rows looked at.
_PAIRS: Final = 0.2

# Letters under more keys than these are asked for only where no others are.
_FEW_KEYS: Final = 8

# The parameter that says whose reading it is: the row's patient is what it refers to, where that is a patient.
_SUBJECT: Final = {"Observation": "subject"}

# A condition, and whether every row that meets it is a hit; otherwise hits must be verified. None is ever missing.
Answer = tuple[Clause, bool]


def answer(
    session: Session, scope: Scope, asked: Condition | FullText | Near | Contained
) -> Answer:
    """Return the SQL of one condition that is not about ids."""
    if isinstance(asked, Condition) and asked.answered_by in ("time", "range", "last-updated"):
        return _ranged(scope, asked)
    found = query_terms(scope.type, asked)
    if found is None:
        return ALWAYS, False

    if isinstance(asked, Condition) and asked.negated:
        keys = _keys(session, scope, found.terms)
        return Clause(f"NOT ({scope.alias}.keys && %s::bigint[])", (keys,)), True
    of_patient = _of_patient(session, scope, found)
    if of_patient is not None:
        return of_patient, found.exact
    alternatives = [
        all_of(
            [_having_one_of(session, scope, (term,)) for term in _telling(session, scope, group)]
        )
        for group in found.groups
    ]
    if found.terms:
        alternatives.append(_having_one_of(session, scope, found.terms))
    return any_of(alternatives, scope.alias), found.exact


def of_one_date(session: Session, scope: Scope, conditions: Sequence[Condition]) -> Answer | None:
    """Return the SQL of several conditions on one protected date, None where each is to be asked by itself."""
    found = terms_of_all(conditions)
    if found is None:
        return None
    return _having_one_of(session, scope, found.terms) if found.terms else NEVER, found.exact


def _telling(session: Session, scope: Scope, group: tuple[Term, ...]) -> list[Term]:
    """Return those of a group of terms that are worth asking for: hits are verified anyway.

    What stands under many keys is frequent: it rules out few rows, and each is held against all of its keys.
    """
    several = {term: spread(session.blind, scope.type, term) for term in group}
    most = max(min(several.values()), _FEW_KEYS)
    return [term for term in group if several[term] <= most]


def _of_patient(session: Session, scope: Scope, found: AnyOf) -> Clause | None:
    """Return the condition that the row is of a patient, whose rows an index has in the order of time."""
    if len(found.terms) != 1 or found.groups:
        return None
    (term,) = found.terms
    if not term.reference or term.param != _SUBJECT.get(scope.type):
        return None
    if patient_id(term.text) is None:
        return None
    own = session.blind.own(term.text)
    known = session.common.key(asked_keys(session.blinds, scope.type, term)[0])
    return Clause(
        f"{scope.alias}.patient = %s", (own,), rare=known is None, patient=own, estimate=known
    )


def _having_one_of(session: Session, scope: Scope, terms: Sequence[Term]) -> Clause:
    """Return the condition that a row has a key of at least one of `terms`."""
    keys = _keys(session, scope, terms)
    several = [(term, spread(session.blind, scope.type, term)) for term in terms]
    shared = sum(coarse.share_of(scope.type, term, of) for term, of in several if of > 1)
    if not shared:
        return having_one_of(session, scope, keys)
    # How frequent a value is that is spread, its keys tell by their number: each of them is rare.
    alone = _keys(session, scope, [term for term, of in several if of == 1])
    known = [one for one in map(session.common.key, alone) if one is not None]
    estimate = Estimate(
        sum(one.rows for one in known) + shared * session.common.rows(scope.type),
        min(1.0, sum(one.share for one in known) + shared),
        1.0 + _PAIRS * len(keys),
    )
    return Clause(f"{scope.alias}.keys && %s::bigint[]", (keys,), estimate=estimate)


def having_one_of(session: Session, scope: Scope, keys: list[int]) -> Clause:
    """Return the condition that a row has at least one of `keys`, none of which is one of several of its value."""
    if len(keys) == 1:
        return keys_required(keys, session.common.key(keys[0]))
    known = [one for one in map(session.common.key, keys) if one is not None]
    estimate = Estimate(
        sum(one.rows for one in known),
        min(1.0, sum(one.share for one in known)),
        1.0 + _PAIRS * len(keys),
    )
    return Clause(
        f"{scope.alias}.keys && %s::bigint[]",
        (keys,),
        rare=not known,
        estimate=estimate if known else None,
    )


def _keys(session: Session, scope: Scope, terms: Sequence[Term]) -> list[int]:
    return distinct(key for term in terms for key in asked_keys(session.blinds, scope.type, term))


def _ranged(scope: Scope, condition: Condition) -> Answer:
    wanted = query_ranges(scope.type, condition)
    if condition.answered_by == "range":
        return of_rows(scope, [numbered(scope.type, one) for one in wanted.tests]), wanted.exact
    if condition.answered_by == "last-updated":
        instants = of_instants(wanted.comparison, _LAST_UPDATED_MICROSECONDS)
        column = f"{scope.alias}.updated"
        return _comparison(instants, column, column), wanted.exact
    lo, hi = f"{scope.alias}.time", f"{scope.alias}.time_end"
    full = _comparison(wanted.comparison, lo, hi)
    # Every hit ends after the one and begins before the other: bounds that the indexes can start from.
    after, before = envelope(wanted.comparison)
    bounds = []
    if before is not None:
        bounds.append(Clause(f"{lo} < %s", (as_datetime(int(before)),)))
    if after is not None:
        start, end = as_datetime(int(after) - DAY), as_datetime(int(after))
        bounds.append(Clause(ends_behind(scope.alias), (start, end)))
    span = Span(
        None if after is None else as_datetime(int(after) - DAY),
        None if after is None else as_datetime(int(after)),
        None if before is None else as_datetime(int(before)),
    )
    whole = all_of((*bounds, full))
    return replace(whole, span=span, parts=()), wanted.exact


def _comparison(comparison: Comparison, lo: str, hi: str) -> Clause:
    """Return a comparison of two columns of moments."""
    alternatives: list[str] = []
    args: list[Any] = []
    for tests in comparison:
        alternatives.append("(" + " AND ".join(_test(test, lo, hi) for test in tests) + ")")
        args += [as_datetime(int(test.bound)) for test in tests]
    return Clause("(" + " OR ".join(alternatives) + ")", tuple(args))


def _test(test: Test, lo: str, hi: str) -> str:
    return f"{lo if test.side == 'lo' else hi} {test.op} %s"
