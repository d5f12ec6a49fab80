"""When a topic fires: the resource triggers of a SubscriptionTopic.

A trigger names a resource type and interactions. Whatever else it has must all hold: query criteria
on the state before and after, a FHIRPath expression with ``%previous`` and ``%current``, and the
watched paths of which an update must have changed one.

Spec: https://hl7.org/fhir/R4B/subscriptiontopic-definitions.html#SubscriptionTopic.resourceTrigger
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fhirserver.definitions import Definitions
from fhirserver.fhirpath import (
    Compiled,
    Environment,
    EvaluationError,
    Limits,
    Path,
    check_path,
    compile_path,
)
from fhirserver.fhirpath.syntax import Call, Expression, Variable, parts
from fhirserver.kernel.changes import Change
from fhirserver.kernel.errors import FhirError
from fhirserver.kernel.resource import Json
from fhirserver.search.criterion import Criterion
from fhirserver.terminology import Terminology
from subscriptions.core.topic_search import TopicSearch

ANY_TYPE: Final = "Resource"
LONGEST_EXPRESSION: Final = 4000
# What one expression may cost inside a write transaction: some milliseconds.
LIMITS: Final = Limits(steps=20_000, items=2_000, text=65_536)
VARIABLES: Final = frozenset({"previous", "current", "resource", "rootResource", "context"})
_CONSTANTS: Final = ("ucum", "sct", "loinc")
# They need a clock, profiles or code systems that a write transaction has no place for.
_UNAVAILABLE: Final = frozenset(
    {"now", "today", "timeOfDay", "conformsTo", "subsumes", "subsumedBy"}
)


@dataclass(frozen=True, slots=True)
class QueryCriteria:
    """Search criteria on the two states of a resource; None where a state does not matter.

    `on_create` and `on_delete` are the results of the criteria about a state that does not exist.
    """

    previous: Criterion | None
    current: Criterion | None
    on_create: bool
    on_delete: bool
    require_both: bool

    def hold(self, change: Change, search: TopicSearch) -> bool:
        """Return whether `change` passes, by both sides or by either."""
        sides = []
        if self.previous is not None:
            sides.append(_passes(self.previous, change.previous, search, missing=self.on_create))
        if self.current is not None:
            sides.append(_passes(self.current, change.resource, search, missing=self.on_delete))
        return all(sides) if self.require_both else any(sides)


def _passes(
    criterion: Criterion, resource: Json | None, search: TopicSearch, *, missing: bool
) -> bool:
    return missing if resource is None else search.meets(resource, criterion)


class PathCriteria:
    """A FHIRPath expression that must be true; evaluated on the newer of the two states."""

    def __init__(self, expression: str, type_: str, definitions: Definitions) -> None:
        """Compile `expression` for `type_`.

        Raises `ValueError` (`FhirPathError` for what is no FHIRPath) naming what cannot be used.
        """
        if len(expression) > LONGEST_EXPRESSION:
            raise ValueError(f"an expression is longer than {LONGEST_EXPRESSION} characters")
        check_path(expression, type_, definitions)
        self._path: Path = compile_path(expression)
        _require_available(self._path.tree)
        self._definitions = definitions

    def hold(self, change: Change, terminology: Terminology) -> bool:
        """Return whether the expression is true of `change`.

        One that fails on these resources counts as true: a receiver can dismiss an event too many,
        and can never ask for one it was not told of.
        """
        variables: Mapping[str, object] = {
            "previous": change.previous if change.previous is not None else [],
            "current": change.resource if change.resource is not None else [],
        }
        environment = Environment(variables=variables, terminology=terminology, limits=LIMITS)
        focus = change.resource if change.resource is not None else change.previous
        try:
            verdict = self._path.holds(
                focus, definitions=self._definitions, environment=environment
            )
        except (EvaluationError, FhirError):
            return True
        return verdict is True


def _require_available(node: Expression) -> None:
    if isinstance(node, Variable) and not (node.name in VARIABLES or _is_constant(node.name)):
        raise ValueError(f"%{node.name[:40]} is not known here; %previous and %current are")
    if isinstance(node, Call) and node.name in _UNAVAILABLE:
        raise ValueError(f"{node.name}() is not available to topics")
    for part in parts(node):
        _require_available(part)


def _is_constant(name: str) -> bool:
    return name in _CONSTANTS or name.startswith(("vs-", "ext-"))


@dataclass(frozen=True, slots=True)
class Trigger:
    """What makes a topic fire. `type` is `ANY_TYPE` for every resource type."""

    type: str
    actions: frozenset[str]
    query: QueryCriteria | None
    path: PathCriteria | None
    watched: tuple[Compiled, ...]

    def watches(self, type_: str) -> bool:
        """Return whether changes of this resource type can fire it."""
        return self.type in (type_, ANY_TYPE)

    def fires(self, change: Change, search: TopicSearch) -> bool:
        """Return whether `change` is of this kind."""
        if not self.watches(change.type) or change.action not in self.actions:
            return False
        if self.watched and not self._moved(change):
            return False
        if self.query is not None and not self.query.hold(change, search):
            return False
        return self.path is None or self.path.hold(change, search.terminology)

    def _moved(self, change: Change) -> bool:
        if change.previous is None or change.resource is None:
            return True
        return any(
            one.evaluate(change.resource) != one.evaluate(change.previous) for one in self.watched
        )
