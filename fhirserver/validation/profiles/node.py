"""The tree of a profile: what it demands of each element, beyond what the base type demands.

A node stands for one element of the profiled type, or for one slice of it. What is None is not
constrained. Children hang under the element they belong to, also where that element has a
datatype of its own ("Observation.code.coding.system" is three nodes deep).

Spec: https://hl7.org/fhir/R4/elementdefinition.html
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fhirserver.definitions import Constraint, Definitions, Element

Rules = Literal["closed", "open", "openAtEnd"]


@dataclass(frozen=True, slots=True)
class TypeRule:
    """One type a profile allows.

    `profiles` are canonicals of which a value must conform to one, `targets` those of what a
    reference points at; empty means any.
    """

    code: str
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Discriminator:
    """How slices are told apart: `kind` is value, pattern, exists, type or profile."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Slicing:
    """How an element that may repeat is divided."""

    discriminators: tuple[Discriminator, ...]
    ordered: bool = False
    rules: Rules = "open"


@dataclass(frozen=True, slots=True)
class Value:
    """A value a profile gives, with the property name it came under ("fixedUri")."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class CodeBinding:
    """The value set of a coded element; `most` is the one nothing may leave (maxValueSet)."""

    strength: str
    value_set: str | None
    most: str | None = None


@dataclass(slots=True)
class Node:
    """What a profile says about one element (or slice). `element` is None for the root.

    `name` is the element's name without "[x]", or of the type for the root; `path` names the
    node for its author, slices included.
    """

    name: str
    path: str
    element: Element | None
    min: int | None = None
    max: int | None = None
    types: tuple[TypeRule, ...] | None = None
    fixed: Value | None = None
    pattern: Value | None = None
    least: Value | None = None
    most: Value | None = None
    max_length: int | None = None
    binding: CodeBinding | None = None
    constraints: dict[str, Constraint] = field(default_factory=dict)
    slicing: Slicing | None = None
    slices: dict[str, "Node"] = field(default_factory=dict)
    children: dict[str, "Node"] = field(default_factory=dict)

    def copy(self) -> "Node":
        """Return the tree anew, so that a derived profile may change it."""
        return replace(
            self,
            constraints=dict(self.constraints),
            slices={name: one.copy() for name, one in self.slices.items()},
            children={name: one.copy() for name, one in self.children.items()},
        )

    def type_codes(self) -> tuple[str, ...]:
        """Return the types a value may have: the profile's, else those of the base type."""
        if self.types:
            return tuple(dict.fromkeys(one.code for one in self.types))
        if self.element is None:
            return (self.name,)
        return tuple(one.code for one in self.element.types)

    def nodes(self) -> Iterator["Node"]:
        """Go through this node and everything below, slices included."""
        yield self
        for one in (*self.slices.values(), *self.children.values()):
            yield from one.nodes()


def shape(node: Node, definitions: Definitions) -> Sequence[Element]:
    """Return the elements a value of `node` may have according to its base type or types."""
    element = node.element
    if element is not None and (element.elements or element.content_reference is not None):
        return definitions.structure(element.path.partition(".")[0]).children(element)
    found: dict[str, Element] = {}
    known = frozenset(definitions.structure_names)
    for code in node.type_codes():
        if code in known:
            for one in definitions.structure(code).elements:
                found.setdefault(one.name, one)
    return tuple(found.values())
