"""Single conditions as SQL: keys by GIN, the row's own times, ids."""

from typing import Any, Final

from msgspec.structs import replace

from fhirserver.crypto.blind_index import distinct
from fhirserver.definitions.patient_of import patient_id
from fhirserver.search.comparison import Comparison, Test, envelope, of_instants
from fhirserver.search.condition import Condition
from fhirserver.search.criterion import Contained, FullText, Near
from fhirserver.search.period import DAY, as_datetime
from fhirserver.search.ranges import query_ranges
from fhirserver.search.terms import AnyOf, Term, query_terms
from fhirserver.store.rows import asked_keys
from fhirserver.store.search.clause import (
    ALWAYS,
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

    def keys(terms: tuple[Term, ...]) -> list[int]:
        return distinct(
            key for term in terms for key in asked_keys(session.blinds, scope.type, term)
        )

    if isinstance(asked, Condition) and asked.negated:
        return Clause(f"NOT ({scope.alias}.keys && %s::bigint[])", (keys(found.terms),)), True
    of_patient = _of_patient(session, scope, found)
    if of_patient is not None:
        return of_patient, found.exact
    alternatives = [
        all_of([having_one_of(session, scope, keys((term,))) for term in group])
        for group in found.groups
    ]
    if found.terms:
        alternatives.append(having_one_of(session, scope, keys(found.terms)))
    return any_of(alternatives, scope.alias), found.exact


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


def having_one_of(session: Session, scope: Scope, keys: list[int]) -> Clause:
    """Return the condition that a row has at least one of `keys`."""
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
