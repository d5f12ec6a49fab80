"""Where a value stands in a resource, and how to get from there to its children.

FHIR's JSON splits a primitive with extensions into `birthDate` and `_birthDate`; a place holds
both. Paths are only written out when something is wrong.

Spec: https://hl7.org/fhir/R4/json.html#primitive
"""

from collections.abc import Sequence
from typing import Any

from fhirserver.definitions import Definitions, Element

Json = dict[str, Any]

Names = tuple[tuple[str, str | None, str], ...]
"""The JSON properties one element may come under: the name, that of the property beside it where
it is a primitive, and the type."""

EXTENSION: Names = (("extension", None, "Extension"),)
MODIFIER_EXTENSION: Names = (("modifierExtension", None, "Extension"),)
CONTAINED: Names = (("contained", None, "Resource"),)
RESOURCE: Names = (("resource", None, "Resource"),)


class Place:
    """One value in a resource.

    `type` is its FHIR type: a datatype, a resource type, or for backbone elements the path of
    their definition. `extras` holds id and extensions of a primitive.
    """

    __slots__ = ("extras", "parent", "step", "type", "value")

    def __init__(
        self,
        value: Any,
        type_: str,
        *,
        step: str,
        parent: "Place | None" = None,
        extras: Any = None,
    ) -> None:
        """`step` leads from `parent` to here (".component[1]"); the root's is its type."""
        self.value = value
        self.type = type_
        self.step = step
        self.parent = parent
        self.extras = extras

    def location(self) -> str:
        """Return the FHIRPath location with JSON names."""
        steps = []
        here: Place | None = self
        while here is not None:
            steps.append(here.step)
            here = here.parent
        return "".join(reversed(steps))

    def children(self, names: Names) -> "Sequence[Place]":
        """Return the values under `names`, in order; wrong shapes count as absent."""
        holder = self.value if type(self.value) is dict else self.extras
        if type(holder) is not dict:
            return ()
        found: list[Place] = []
        for name, beside_name, type_ in names:
            value = holder.get(name)
            beside = holder.get(beside_name) if beside_name is not None else None
            if type(value) is list or type(beside) is list:
                self._add_items(found, name, type_, value, beside)
            elif value is not None or beside is not None:
                if type_ in ANY_RESOURCE and type(value) is dict:
                    type_ = str(value.get("resourceType"))  # noqa: PLW2901 - the type it turns out to be
                found.append(Place(value, type_, step="." + name, parent=self, extras=beside))
        return found

    def _add_items(
        self, found: "list[Place]", name: str, type_: str, value: Any, beside: Any
    ) -> None:
        values = value if type(value) is list else ()
        extras = beside if type(beside) is list else ()
        for index in range(max(len(values), len(extras))):
            one = values[index] if index < len(values) else None
            extra = extras[index] if index < len(extras) else None
            if one is None and extra is None:
                continue
            kind = type_
            if type_ in ANY_RESOURCE and type(one) is dict:
                kind = str(one.get("resourceType"))
            found.append(Place(one, kind, step=f".{name}[{index}]", parent=self, extras=extra))


ANY_RESOURCE = frozenset({"Resource", "DomainResource"})


class ElementNames:
    """The JSON names of elements by type, learnt from the definitions once."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._known = frozenset(definitions.structure_names)
        self._names: dict[tuple[str, str], Names] = {}
        self._tables: dict[str, dict[str, tuple[str, str]]] = {}

    def of(self, type_: str, name: str) -> Names:
        """Return the names of element `name` (without "[x]") of `type_`; none when it has no such."""
        found = self._names.get((type_, name))
        if found is None:
            found = self._look(type_, name)
            # Types and names that come from a resource are not remembered: they may be anything.
            if found:
                self._names[(type_, name)] = found
        return found

    def table(self, type_: str) -> dict[str, tuple[str, str]]:
        """Return every JSON property of a type: its element's name and the type of its values."""
        found = self._tables.get(type_)
        if found is None:
            found = {
                json_name: (element.name, value_type)
                for element in self._elements(type_)
                for json_name, _, value_type in self.of(type_, element.name)
            }
            if found:
                self._tables[type_] = found
        return found

    def ancestors(self, type_: str) -> frozenset[str]:
        """Return the types a type is derived from; a backbone element's are those of its datatype."""
        name: str | None = type_
        if "." in type_:
            element = self._definitions.structure(type_.partition(".")[0]).element(type_)
            name = element.types[0].code if element is not None and element.types else None
        found = set() if name is None else {name}
        while name is not None and name in self._known:
            name = self._definitions.structure(name).base
            found |= set() if name is None else {name}
        return frozenset(found)

    def _elements(self, type_: str) -> Sequence[Element]:
        name = type_.partition(".")[0]
        if name not in self._known:
            return ()
        structure = self._definitions.structure(name)
        element = structure.element(type_)
        return structure.elements if element is None else structure.children(element)

    def _look(self, type_: str, name: str) -> Names:
        structure_name = type_.partition(".")[0]
        if structure_name not in self._known:
            return ()
        structure = self._definitions.structure(structure_name)
        element = structure.element(f"{type_}.{name}")
        if element is None:
            return ()
        if element.content_reference is not None:
            return ((element.name, None, element.content_reference),)
        if element.elements:
            return ((element.name, None, element.path),)
        return tuple(
            (json_name, self._beside(json_name, one.code), one.code)
            for json_name, one in element.json_names()
        )

    def _beside(self, json_name: str, code: str) -> str | None:
        is_primitive = self._definitions.structure(code).kind == "primitive-type"
        return "_" + json_name if is_primitive else None
