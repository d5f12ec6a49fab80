"""How each structure stands in XML: which elements, in which order, and which of them are attributes.

JSON carries the properties of an object in any order; XML has the order of the definitions. The
tables are made once per structure, the first time one is met.

Spec: https://hl7.org/fhir/R4/xml.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from fhirserver.definitions import Element, Structure, load

Form = Literal["primitive", "xhtml", "resource", "complex"]

_INTEGERS: Final = frozenset({"integer", "positiveInt", "unsignedInt"})


@dataclass(frozen=True, slots=True)
class Field:
    """One property: its JSON name, whether it repeats, and what stands inside.

    `number` tells how a primitive's text becomes a JSON value. `child` names the layout of a
    complex value: structure, and path inside it.
    """

    name: str
    is_list: bool
    form: Form
    number: Literal["", "boolean", "integer", "decimal"] = ""
    child: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Layout:
    """A structure or backbone element: its attributes, and its elements in order."""

    attributes: tuple[str, ...]
    fields: Mapping[str, Field]


@cache
def layout(structure: str, path: str) -> Layout:
    """Return the layout of `structure`, or of the backbone element at `path` inside it.

    KeyError for what R4 does not have.
    """
    found = load().structure(structure)
    inside = _elements(found, path)
    # In XML the id of an element is an attribute; that of a resource is an element like others.
    is_resource = found.kind == "resource" and path == structure
    attributes = {"url"} if structure == "Extension" else set()
    attributes |= set() if is_resource else {"id"}
    fields: dict[str, Field] = {}
    for element in inside:
        if element.name in attributes:
            continue
        for field in _fields(found, element):
            fields[field.name] = field
    return Layout(tuple(sorted(attributes)), fields)


def _elements(structure: Structure, path: str) -> tuple[Element, ...]:
    if path == structure.name:
        return structure.elements
    element = structure.element(path)
    if element is None:
        raise KeyError(path)
    return structure.children(element)


def _fields(structure: Structure, element: Element) -> list[Field]:
    if structure.children(element):
        path = element.content_reference or element.path
        return [Field(element.name, element.is_list, "complex", child=(structure.name, path))]
    return [
        _field(name, element.is_list, element_type.code)
        for name, element_type in element.json_names()
    ]


def _field(name: str, is_list: bool, type_: str) -> Field:  # noqa: FBT001 - one of two plain facts
    if type_ == "xhtml":
        return Field(name, is_list, "xhtml")
    kind = load().structure(type_).kind
    if kind == "resource":
        return Field(name, is_list, "resource")
    if kind == "complex-type":
        return Field(name, is_list, "complex", child=(type_, type_))
    if type_ in _INTEGERS:
        return Field(name, is_list, "primitive", "integer")
    if type_ == "boolean":
        return Field(name, is_list, "primitive", "boolean")
    return Field(name, is_list, "primitive", "decimal" if type_ == "decimal" else "")
