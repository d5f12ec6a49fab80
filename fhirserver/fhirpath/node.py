"""An element of a FHIR resource as FHIRPath sees it: its value, its type, and where it stands."""

from typing import Any

from fhirserver.fhirpath.model import Child, TypeModel
from fhirserver.kernel.resource import Json


class Node:
    """One element.

    `value` is its JSON (None for a primitive that has only extensions), `sibling` the JSON of
    its `_name` property. `parent`, `key` and `index` say where it stands; a root has none.
    """

    __slots__ = ("index", "key", "parent", "sibling", "type", "value")

    def __init__(
        self,
        value: Any,
        type_: str,
        parent: "Node | None" = None,
        key: str = "",
        index: int | None = None,
        sibling: Any = None,
    ) -> None:
        self.value = value
        self.type = type_
        self.parent = parent
        self.key = key
        self.index = index
        self.sibling = sibling

    def child(self, model: TypeModel, name: str) -> "list[Node]":
        """The child elements called `name` ("value" for any of a choice), in order."""
        found: list[Node] = []
        shape = model.shape(self.type)
        value = self.sibling if shape.is_primitive else self.value
        if type(value) is not dict:
            return found
        for child in shape.by_name.get(name, ()):
            if child.key in value or (child.is_primitive and "_" + child.key in value):
                self._enter(value, child, found)
        return found

    def children(self, model: TypeModel) -> "list[Node]":
        """All child elements, in the order of the JSON."""
        found: list[Node] = []
        shape = model.shape(self.type)
        value = self.sibling if shape.is_primitive else self.value
        if type(value) is not dict:
            return found
        for key in value:
            child = shape.by_key.get(key)
            if child is None and key[:1] == "_" and key[1:] not in value:
                child = shape.by_key.get(key[1:])
                if child is not None and not child.is_primitive:
                    child = None
            if child is not None:
                self._enter(value, child, found)
        return found

    def _enter(self, value: Json, child: Child, found: "list[Node]") -> None:
        key = child.key
        inner = value.get(key)
        sibling = value.get("_" + key) if child.is_primitive else None
        if type(inner) is list or type(sibling) is list:
            values = inner if type(inner) is list else []
            siblings = sibling if type(sibling) is list else []
            for index in range(max(len(values), len(siblings))):
                one = values[index] if index < len(values) else None
                beside = siblings[index] if index < len(siblings) else None
                if one is not None or beside is not None:
                    found.append(Node(one, _type(child, one), self, key, index, beside))
        elif inner is not None or sibling is not None:
            found.append(Node(inner, _type(child, inner), self, key, None, sibling))

    def resource(self) -> "Node":
        """The innermost resource that holds this element, or is it; the root if there is none."""
        at = self
        while at.parent is not None and not (type(at.value) is dict and "resourceType" in at.value):
            at = at.parent
        return at

    def root_resource(self) -> "Node":
        """The resource whose `contained` holds this element, else the resource it stands in.

        An entry of a Bundle or a parameter holds a root resource of its own.
        """
        at = self.resource()
        if at.key == "contained" and at.parent is not None:
            return at.parent.resource()
        return at

    def pointer(self) -> str:
        """The JSON pointer (RFC 6901) from the root of the evaluation to this element."""
        steps = []
        for node in self._line():
            # What is below a primitive stands in its `_name` property.
            key = node.key if node is self or type(node.value) is dict else "_" + node.key
            steps.append(f"/{key}" if node.index is None else f"/{key}/{node.index}")
        return "".join(steps)

    def place(self) -> str:
        """The location as FHIRPath with JSON names: ``Patient.name[0].given[1]``."""
        line = self._line()
        root = line[0].parent if line else self
        steps = (
            f".{node.key}" if node.index is None else f".{node.key}[{node.index}]" for node in line
        )
        return (root.type if root is not None else "") + "".join(steps)

    def _line(self) -> "list[Node]":
        """The elements from the root's child down to this one; nothing for a root."""
        line: list[Node] = []
        at = self
        while at.parent is not None:
            line.append(at)
            at = at.parent
        line.reverse()
        return line


def _type(child: Child, value: Any) -> str:
    if child.type == "Resource" and type(value) is dict:
        name = value.get("resourceType")
        return name if type(name) is str else "Resource"
    return child.type
