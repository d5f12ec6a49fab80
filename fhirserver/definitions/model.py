"""The shapes in which compiled FHIR R4 definitions are handed out.

A structure is a resource type or a datatype; an element is one field of it; a search
parameter names a path through a structure that clients may search by. All values are frozen:
definitions are shared by every part of the server and never change while it runs.

Spec: https://hl7.org/fhir/R4/structuredefinition.html, https://hl7.org/fhir/R4/elementdefinition.html,
https://hl7.org/fhir/R4/searchparameter.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

StructureKind = Literal["resource", "complex-type", "primitive-type"]
BindingStrength = Literal["required", "extensible", "preferred", "example"]
SearchType = Literal[
    "number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"
]


@dataclass(frozen=True, slots=True)
class Constraint:
    """One invariant of the specification; `expression` is FHIRPath, evaluated on its element."""

    key: str
    severity: Literal["error", "warning"]
    human: str
    expression: str


@dataclass(frozen=True, slots=True)
class Binding:
    """Which value set a coded element draws from. `value_set` is a canonical without version."""

    strength: BindingStrength
    value_set: str


@dataclass(frozen=True, slots=True)
class ElementType:
    """One type an element may have.

    `targets` are resource type names a Reference or canonical may point at; empty or containing
    "Resource" means any. `profile` is "SimpleQuantity" or "MoneyQuantity" where the
    specification narrows a Quantity, else None.
    """

    code: str
    targets: tuple[str, ...] = ()
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a structure.

    `name` is the JSON name, without "[x]" for a choice. `max` is None for "*". `elements` are
    the children of a backbone element, inherited ones (id, extension, modifierExtension)
    first. `content_reference` is the path of the element whose children this one repeats, such
    as "Observation.referenceRange"; such an element has no types of its own.
    """

    name: str
    path: str
    types: tuple[ElementType, ...]
    min: int
    max: int | None
    is_choice: bool = False
    is_modifier: bool = False
    is_summary: bool = False
    binding: Binding | None = None
    content_reference: str | None = None
    constraints: tuple[Constraint, ...] = ()
    elements: tuple["Element", ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether JSON carries this element as an array."""
        return self.max != 1

    def json_names(self) -> Iterator[tuple[str, ElementType]]:
        """Each JSON property name with its type: one, or one per type of a choice."""
        for element_type in self.types:
            if self.is_choice:
                suffix = element_type.code[0].upper() + element_type.code[1:]
                yield self.name + suffix, element_type
            else:
                yield self.name, element_type


@dataclass(frozen=True, slots=True)
class Structure:
    """A resource type or datatype with all of its elements, inherited ones first.

    `constraints` are the structure's own and inherited invariants. `pattern` is the regular
    expression of a primitive type as the specification prints it, else None.
    """

    name: str
    kind: StructureKind
    abstract: bool
    base: str | None
    elements: tuple[Element, ...]
    constraints: tuple[Constraint, ...] = ()
    pattern: str | None = None
    _by_path: dict[str, Element] = field(default_factory=dict, repr=False, compare=False)

    def element(self, path: str) -> Element | None:
        """Return the element at `path` ("Observation.component.code"), or None.

        A content reference is followed, so paths may go through repeated structures.
        """
        if not self._by_path:
            for element in self.elements:
                self._index(element)
        found = self._by_path.get(path)
        if found is not None:
            return found
        parent_path, _, name = path.rpartition(".")
        if parent_path in ("", self.name):
            return None
        parent = self.element(parent_path)
        if parent is None or parent.content_reference is None:
            return None
        return self.element(f"{parent.content_reference}.{name}")

    def children(self, element: Element) -> tuple[Element, ...]:
        """The child elements of a backbone element, through its content reference if any."""
        if element.content_reference is None:
            return element.elements
        target = self.element(element.content_reference)
        return target.elements if target is not None else ()

    def _index(self, element: Element) -> None:
        self._by_path[element.path] = element
        for child in element.elements:
            self._index(child)


@dataclass(frozen=True, slots=True)
class ValueSet:
    """The codes a required binding allows.

    Enumerated value sets list codes by system. The few that cannot be enumerated from the
    definitions (currencies, MIME types, UCUM, one LOINC answer list) have `pattern` instead: a
    regular expression the whole code must match, in the one system listed with no codes.
    """

    url: str
    systems: Mapping[str, frozenset[str]]
    pattern: str | None = None
    all_codes: frozenset[str] = frozenset()

    def has_code(self, code: str) -> bool:
        """Whether `code` is allowed where the system is implied (type `code`)."""
        if self.pattern is not None:
            return re.fullmatch(self.pattern, code) is not None
        return code in self.all_codes

    def has_coding(self, system: str | None, code: str | None) -> bool:
        """Whether the pair is allowed where the system is written (Coding, CodeableConcept)."""
        if system is None or code is None or system not in self.systems:
            return False
        if self.pattern is not None:
            return re.fullmatch(self.pattern, code) is not None
        return code in self.systems[system]


@dataclass(frozen=True, slots=True)
class SearchComponent:
    """One part of a composite parameter; `expression` is relative to the composite's result."""

    code: str
    type: SearchType
    expression: str
    url: str


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter as seen from one resource type.

    `expression` is FHIRPath, reduced to the parts of the specification's union that apply to
    that type; None for `_text`, `_content` and `_query`, which have no path. `target` are the
    resource types a reference parameter may point at. `components` belong to composites.
    """

    code: str
    type: SearchType
    expression: str | None
    target: tuple[str, ...]
    components: tuple[SearchComponent, ...]
    url: str
