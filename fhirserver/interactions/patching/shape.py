"""What the definitions say about a place in a resource: which elements it may have, and how JSON spells them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fhirserver.definitions import Definitions, Element, Structure
from fhirserver.interactions.patching import placement
from fhirserver.interactions.patching.json_patch import copied
from fhirserver.interactions.patching.pointer import child
from fhirserver.kernel.errors import BadRequest, Unprocessable
from fhirserver.kernel.resource import Json


@dataclass(frozen=True, slots=True)
class Node:
    """A place in a resource: its value, and the elements it may have by its `structure`."""

    value: Any
    structure: Structure
    elements: tuple[Element, ...]


def node_at(resource: Json, steps: Iterable[str], definitions: Definitions, where: str) -> Node:
    """Return the place at the `steps` of a JSON Pointer. Raises `Unprocessable` when there is none."""
    structure = definitions.structure(str(resource["resourceType"]))
    node = Node(resource, structure, structure.elements)
    for step in steps:
        value = child(node.value, step, where)
        if isinstance(node.value, list):
            node = _inner(Node(value, node.structure, node.elements), definitions)
            continue
        element = property_for(node, step.removeprefix("_"), where)
        if step.startswith("_"):
            extended = definitions.structure("Element")
            node = Node(value, extended, extended.elements)
        else:
            structure, elements = _below(node, element, step, definitions)
            node = _inner(Node(value, structure, elements), definitions)
    return node


def property_for(node: Node, name: str, where: str) -> Element:
    """Return the element of `node` that is called `name` in FHIRPath or in JSON. Raises `Unprocessable`."""
    for element in node.elements:
        if name == element.name or any(name == one for one, _ in element.json_names()):
            return element
    raise Unprocessable(f"There is no element {name[:64]!r} here.", expression=where)


def value_of(
    part: Json, node: Node, element: Element, definitions: Definitions, where: str
) -> tuple[str, Any]:
    """Return the type suffix and the value that `part` gives for `element` of `node`.

    A value is a value[x], a resource, or, for elements without a type of their own, parts named like their elements.
    """
    given = {key.removeprefix("_") for key in part if key.removeprefix("_").startswith("value")}
    if "resource" in part and not given:
        return "Resource", copied(part["resource"])
    if len(given) == 1 and "part" not in part:
        (key,) = given
        value: Any = copied(part.get(key))
        if "_" + key in part:
            value = placement.Primitive(value, copied(part["_" + key]))
        return key.removeprefix("value"), value
    parts = part.get("part")
    if given or not isinstance(parts, list) or not parts:
        raise BadRequest("A value is one value[x], or parts.", expression=where)
    structure, elements = _below(node, element, element.name, definitions)
    inside = Node({}, structure, elements)
    for one in parts:
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str):
            raise BadRequest("Every part has a name.", expression=where)
        inner = property_for(inside, name, where)
        suffix, value = value_of(one, inside, inner, definitions, where)
        key = inner.name + suffix if inner.is_choice else inner.name
        if inner.is_list:
            rows = [*placement.items(inside.value, key), value]
            placement.put_items(inside.value, key, rows)
        elif placement.is_there(inside.value, key):
            raise BadRequest(f"{name} may be given once.", expression=where)
        else:
            placement.put(inside.value, key, value)
    return "", inside.value


def _below(
    node: Node, element: Element, name: str, definitions: Definitions
) -> tuple[Structure, tuple[Element, ...]]:
    if element.elements or element.content_reference is not None:
        return node.structure, node.structure.children(element)
    code = next(
        (type_.code for json, type_ in element.json_names() if json == name),
        element.types[0].code if element.types else "Element",
    )
    structure = definitions.structure(code)
    return structure, structure.elements


def _inner(node: Node, definitions: Definitions) -> Node:
    """Return `node` by its own type where it is a resource inside a resource."""
    if isinstance(node.value, dict) and "resourceType" in node.value:
        type_ = node.value["resourceType"]
        if definitions.is_resource_type(type_):
            structure = definitions.structure(type_)
            return Node(node.value, structure, structure.elements)
    return node
