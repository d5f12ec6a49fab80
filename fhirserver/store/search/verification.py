"""What SQL leaves open about a hit, decided from its content.

Hits that the index cannot decide exactly (a text longer than its hashed beginning, a unit nobody knows) are checked by
the in-memory matcher. What depends on other resources is not looked at again: the statement that found the hit says it,
in a column of its own.

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.resource import Json
from fhirserver.search.criterion import AllOf, Criterion
from fhirserver.search.match import meets
from fhirserver.store.search.clause import Clause


@dataclass(frozen=True, slots=True)
class Meets:
    """The resource itself meets a criterion that names no others."""

    criterion: Criterion


@dataclass(frozen=True, slots=True)
class Holds:
    """The row meets a clause that is exact."""

    clause: Clause


@dataclass(frozen=True, slots=True)
class Every:
    """All parts."""

    parts: tuple["Check", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part."""

    parts: tuple["Check", ...]


@dataclass(frozen=True, slots=True)
class Fails:
    """Not `inner`."""

    inner: "Check"


Check = Meets | Holds | Every | Some | Fails


def every(checks: Sequence[Check]) -> Check:
    """Return the conjunction, with everything about the resource itself in one piece: it is read once."""
    own = [one.criterion for one in checks if isinstance(one, Meets)]
    others = [one for one in checks if not isinstance(one, Meets)]
    if not own:
        return others[0] if len(others) == 1 else Every(tuple(others))
    joined = Meets(own[0] if len(own) == 1 else AllOf(tuple(own)))
    return Every((*others, joined)) if others else joined


def asked_of_rows(check: Check | None) -> Iterator[Clause]:
    """Go through the clauses that the statement must give the truth of, in the order `holds` takes it."""
    match check:
        case Holds(clause=clause):
            yield clause
        case Every(parts=parts) | Some(parts=parts):
            for part in parts:
                yield from asked_of_rows(part)
        case Fails(inner=inner):
            yield from asked_of_rows(inner)
        case _:
            pass


def holds(check: Check, resource: Json, told: Iterator[Any], definitions: Definitions) -> bool:
    """Return whether the hit stands; `told` gives what the row says of `asked_of_rows`."""
    match check:
        case Meets(criterion=criterion):
            return meets(resource, criterion, definitions)
        case Holds():
            return bool(next(told))
        case Every(parts=parts):
            # No part is left out: each takes its own truths from `told`.
            found = [holds(part, resource, told, definitions) for part in parts]
            return all(found)
        case Some(parts=parts):
            found = [holds(part, resource, told, definitions) for part in parts]
            return any(found)
        case Fails(inner=inner):
            return not holds(inner, resource, told, definitions)
