"""What an expression is evaluated in: the surroundings given by the caller, and its bounds.

Nothing here reads a clock or fetches anything: the time, the code systems and the targets of
references are handed in.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from fhirserver.fhirpath.errors import TooExpensiveError
from fhirserver.fhirpath.model import TypeModel
from fhirserver.fhirpath.node import Node
from fhirserver.kernel.resource import Json

Items = list[Any]
"""A collection: `Node` for what stands in a resource, else bool, int, Decimal, str, Temporal,
Quantity or TypeInfo."""

Resolve = Callable[[str], Json | None]


class Members(Protocol):
    """The codes of a value set."""

    def contains(self, system: str | None, code: str) -> bool:
        """Whether the code is in the value set; without `system`, in whatever system."""
        ...


class Terminology(Protocol):
    """The value sets that are loaded."""

    def members(self, value_set: str) -> Members | None:
        """Return the value set's codes, None when it is not loaded."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What one evaluation may cost.

    `steps` counts elements visited and values made, `items` the size of any one collection,
    `text` the characters of any one string made.
    """

    steps: int = 200_000
    items: int = 20_000
    text: int = 1_048_576


@dataclass(frozen=True, slots=True)
class Environment:
    """What an expression may ask for beyond the value it is evaluated on.

    `now` is aware; without it now(), today() and timeOfDay() are refused. `variables` give
    %name a JSON value or a list of them. `conforms` answers conformsTo(): None for an unknown
    profile. `subsumption(system, a, b)` answers how two codes relate: equivalent, subsumes,
    subsumed-by, not-subsumed, or None. `trace` is told what trace() sees.
    """

    now: datetime | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    terminology: Terminology | None = None
    subsumption: Callable[[str, str, str], str | None] | None = None
    conforms: Callable[[Any, str], bool | None] | None = None
    trace: Callable[[str, list[Any]], None] | None = None
    limits: Limits = Limits()


class Run:
    """One evaluation: what it may ask, and what it may still cost."""

    __slots__ = ("context", "environment", "limits", "model", "resolve", "root", "steps")

    def __init__(
        self,
        model: TypeModel,
        environment: Environment,
        context: Items,
        root: Node | None,
        resolve: Resolve | None,
    ) -> None:
        self.model = model
        self.environment = environment
        self.limits = environment.limits
        self.steps = environment.limits.steps
        self.context = context
        self.root = root
        self.resolve = resolve

    def spend(self, steps: int) -> None:
        """Raise `TooExpensiveError` when the evaluation has cost more than it may."""
        self.steps -= steps
        if self.steps < 0:
            raise TooExpensiveError(f"the expression needs more than {self.limits.steps} steps")

    def bounded(self, items: Items) -> Items:
        """Return `items`; raise `TooExpensiveError` when they are too many."""
        size = len(items)
        if size > self.limits.items:
            raise TooExpensiveError(f"a collection of more than {self.limits.items} items")
        self.spend(size + 1)
        return items

    def text(self, value: str) -> str:
        """Return `value`; raise `TooExpensiveError` when it is too long."""
        if len(value) > self.limits.text:
            raise TooExpensiveError(f"a string of more than {self.limits.text} characters")
        self.spend(1 + len(value) // 64)
        return value

    def children(self, nodes: Iterable[Any]) -> Items:
        """The child elements of all `nodes`."""
        found: Items = []
        for node in nodes:
            if type(node) is Node:
                found += node.children(self.model)
                self.spend(len(found) + 1 if len(found) > self.limits.items else 1)
        return self.bounded(found)


class Scope:
    """What `$this`, `$index` and `$total` stand for at one place of the expression."""

    __slots__ = ("index", "run", "this", "total")

    def __init__(
        self, run: Run, this: Items, index: int | None = None, total: Items | None = None
    ) -> None:
        self.run = run
        self.this = this
        self.index = index
        self.total = total


Eval = Callable[[Scope], Items]
"""A compiled expression."""
