"""What FHIRPath needs to know of FHIR's types: the elements of each, and which extends which.

A type is named by its FHIR name ("HumanName", "Patient", "code"), or by its path where it is an
element with children of its own ("Observation.component").
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from fhirserver.definitions.model import Element, Structure

_BACKBONES = frozenset({"BackboneElement", "Element"})


Derived = TypeVar("Derived")


class Structures(Protocol):
    """The part of `fhirserver.definitions.Definitions` that is needed here."""

    def structure(self, name: str) -> Structure:
        """Return a resource type or datatype. KeyError for an unknown name."""
        ...

    def derived(self, make: Callable[[Any], Derived]) -> Derived:
        """Return what `make` makes of these definitions: made once, kept as long as they are."""
        ...


class Child(NamedTuple):
    """One JSON property: its name in JSON, the element it belongs to, and the type found there.

    `type` is "Resource" where the value itself says which.
    """

    key: str
    name: str
    type: str
    is_list: bool
    is_primitive: bool


class Shape(NamedTuple):
    """The elements of a type; a choice has one child per type."""

    by_name: dict[str, tuple[Child, ...]]
    by_key: dict[str, Child]
    is_primitive: bool


_NOTHING = Shape({}, {}, is_primitive=False)


class TypeModel:
    """The types of one `Definitions`, worked out when first asked for."""

    def __init__(self, definitions: Structures) -> None:
        """`definitions` must not change."""
        self._structure: Callable[[str], Structure] = definitions.structure
        self._shapes: dict[str, Shape] = {}
        self._bases: dict[str, frozenset[str]] = {}

    def shape(self, type_: str) -> Shape:
        """The elements of a type; none for an unknown one."""
        found = self._shapes.get(type_)
        if found is None:
            found = self._shapes[type_] = self._build(type_)
        return found

    def knows(self, name: str) -> bool:
        """Whether `name` is a FHIR type."""
        try:
            self._structure(name)
        except KeyError:
            return False
        return True

    def is_a(self, type_: str, name: str) -> bool:
        """Whether a value of `type_` is a `name` too."""
        if type_ == name:
            return True
        found = self._bases.get(type_)
        if found is None:
            found = self._bases[type_] = frozenset(self._chain(type_))
        return name in found

    def _chain(self, type_: str) -> list[str]:
        at: str | None = type_
        if "." in type_:
            at = "BackboneElement" if self.shape(type_).by_name.get("modifierExtension") else None
            at = at or "Element"
        chain = []
        while at is not None:
            chain.append(at)
            try:
                at = self._structure(at).base
            except KeyError:
                break
        return chain

    def _build(self, type_: str) -> Shape:
        try:
            structure = self._structure(type_.partition(".")[0])
        except KeyError:
            return _NOTHING
        if structure.kind == "primitive-type":
            return self.shape("Element")._replace(is_primitive=True)
        elements: tuple[Element, ...] = structure.elements
        if "." in type_:
            element = structure.element(type_)
            if element is None:
                return _NOTHING
            elements = structure.children(element)
        by_name = {element.name: self._children(element) for element in elements}
        by_key = {child.key: child for children in by_name.values() for child in children}
        return Shape(by_name, by_key, is_primitive=False)

    def _children(self, element: Element) -> tuple[Child, ...]:
        if element.content_reference is not None or element.elements:
            type_ = element.content_reference or element.path
            return (Child(element.name, element.name, type_, element.is_list, is_primitive=False),)
        return tuple(
            Child(
                key,
                element.name,
                element.path if one.code in _BACKBONES and element.elements else one.code,
                element.is_list,
                self._structure(one.code).kind == "primitive-type",
            )
            for key, one in element.json_names()
        )


def model_of(definitions: Structures) -> TypeModel:
    """The types of `definitions`, kept as long as they are."""
    return definitions.derived(TypeModel)
