"""From a StructureDefinition to the tree of what it demands, its bases included.

A profile with a snapshot is read from it. One that only has a differential is laid over its base,
which may be a profile again; that is what a snapshot is made of. Slices of a base go on to hold.

Spec: https://hl7.org/fhir/R4/profiling.html#snapshot
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fhirserver.definitions import Definitions, Element
from fhirserver.validation.profiles.element_definition import constrain
from fhirserver.validation.profiles.node import Discriminator, Node, Slicing, TypeRule, shape

Json = dict[str, Any]

CORE = "http://hl7.org/fhir/StructureDefinition/"

MAX_DEPTH = 24
"""Bases upon bases, and elements within elements, that are followed."""

MAX_ELEMENTS = 5_000
"""Elements of one snapshot or differential."""


@dataclass(slots=True)
class Snapshot:
    """The tree of one profile. `faults` say what could not be understood, with the element's id."""

    url: str
    type: str
    root: Node
    definition: Json
    faults: list[tuple[str, str]] = field(default_factory=list)


def is_type(url: str, definitions: Definitions) -> bool:
    """Whether `url` is the canonical of an R4 type itself, not of a profile on one."""
    return type_of(url) in definitions.structure_names


def type_of(url: str) -> str | None:
    """Return the name of the R4 type that `url` would be the canonical of."""
    return url.partition("|")[0].removeprefix(CORE) if url.startswith(CORE) else None


def take_snapshot(
    definition: Json, definitions: Definitions, seen: tuple[str, ...] = ()
) -> Snapshot:
    """Return the tree of `definition`; `seen` are the profiles being derived from it."""
    url, type_ = str(definition.get("url")), str(definition.get("type"))
    taken = Snapshot(url, type_, Node(type_, type_, None), definition)
    if type_ not in definitions.structure_names:
        taken.faults.append(("", f"the type {type_} is not one of FHIR R4"))
        return taken
    rows = _rows(definition.get("snapshot"))
    if not rows:
        rows = _rows(definition.get("differential"))
        _lay_base(taken, definitions, seen)
    if len(rows) > MAX_ELEMENTS:
        taken.faults.append(("", f"more than {MAX_ELEMENTS} elements"))
        return taken
    for row, steps in _located(rows):
        _Row(taken, row, definitions).apply(steps)
    return taken


def _lay_base(taken: Snapshot, definitions: Definitions, seen: tuple[str, ...]) -> None:
    base = taken.definition.get("baseDefinition")
    if not isinstance(base, str):
        taken.faults.append(("", "a profile names its baseDefinition"))
        return
    if is_type(base, definitions):
        if type_of(base) != taken.type and taken.type not in _kinds_of(base, definitions):
            taken.faults.append(("", f"the base {base} is not of the type {taken.type}"))
        return
    if taken.url in seen or len(seen) >= MAX_DEPTH:
        taken.faults.append(("", f"{taken.url} is derived from itself"))
        return
    found = definitions.canonical("StructureDefinition", base)
    if found is None:
        taken.faults.append(("", f"the base {base} is not loaded"))
        return
    below = take_snapshot(found, definitions, (*seen, taken.url))
    if below.type != taken.type:
        taken.faults.append(("", f"the base {base} is a profile on {below.type}"))
        return
    taken.root = below.root.copy()
    taken.faults += below.faults


def _kinds_of(base: str, definitions: Definitions) -> frozenset[str]:
    """The types below an abstract one, such as Resource."""
    name = type_of(base) or ""
    if not definitions.structure(name).abstract:
        return frozenset()
    return frozenset(
        one for one in definitions.structure_names if name in _ancestors(one, definitions)
    )


def _ancestors(name: str, definitions: Definitions) -> Iterator[str]:
    above = definitions.structure(name).base
    while above is not None:
        yield above
        above = definitions.structure(above).base


def _rows(part: object) -> list[Json]:
    rows = part.get("element") if isinstance(part, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


Step = tuple[str, str | None]
"""An element's name and the slice of it that is meant."""


def _located(rows: Sequence[Json]) -> Iterator[tuple[Json, list[Step]]]:
    """Go through the rows, each with the way to its node.

    The id tells it where there is one that fits the path; otherwise the order of the rows does:
    what follows a slice belongs to it.
    """
    latest: dict[str, list[Step]] = {}
    for row in rows:
        path = str(row.get("path", ""))
        names = path.split(".")
        steps = _from_id(str(row.get("id", "")), names)
        if steps is None:
            above = latest.get(".".join(names[:-1]), [(name, None) for name in names[:-1]])
            steps = [*above, (names[-1], row.get("sliceName"))]
        latest[path] = steps
        yield row, steps


def _from_id(id_: str, names: list[str]) -> list[Step] | None:
    found = _id_pattern(len(names)).fullmatch(id_) if len(names) <= MAX_DEPTH else None
    if found is None:
        return None
    parts = found.groups()
    if list(parts[0::2]) != names:
        return None
    return list(zip(parts[0::2], parts[1::2], strict=True))


@cache
def _id_pattern(length: int) -> re.Pattern[str]:
    return re.compile(r"\.".join([r"([^.:]+)(?::([^.]+))?"] * length))


class _Row:
    """One ElementDefinition on its way to its node."""

    def __init__(self, taken: Snapshot, row: Json, definitions: Definitions) -> None:
        self._taken = taken
        self._row = row
        self._definitions = definitions
        self._id = str(row.get("id", row.get("path", "")))

    def apply(self, steps: list[Step]) -> None:
        node: Node | None = self._taken.root
        if len(steps) > MAX_DEPTH:
            self._fault(f"deeper than {MAX_DEPTH} elements")
            return
        if steps[0][0] != self._taken.type:
            self._fault(f"a path of this profile begins with {self._taken.type}")
            return
        for number, (name, slice_name) in enumerate(steps[1:], start=2):
            assert node is not None
            node = self._child(node, name, is_last=number == len(steps))
            if node is None:
                self._fault(f"{name} is not an element of this type")
                return
            if slice_name is not None:
                node = self._slice(node, slice_name)
        assert node is not None
        for message in constrain(node, self._row):
            self._fault(message)

    def _child(self, parent: Node, name: str, *, is_last: bool) -> Node | None:
        plain = name.removesuffix("[x]")
        for element in shape(parent, self._definitions):
            if element.name == plain:
                return _child_of(parent, element)
            if element.is_choice and plain.startswith(element.name):
                code = _type_named(element, plain)
                if code is not None:
                    return self._short_cut(_child_of(parent, element), plain, code, is_last=is_last)
        return None

    def _short_cut(self, choice: Node, name: str, code: str, *, is_last: bool) -> Node:
        """`valueQuantity` for `value[x]`: the only type allowed, and what is said of that type."""
        if is_last and "sliceName" not in self._row:
            kept = tuple(one for one in choice.types or () if one.code == code)
            choice.types = kept or (TypeRule(code),)
        choice.slicing = choice.slicing or Slicing((Discriminator("type", "$this"),))
        node = self._slice(choice, name)
        node.types = node.types or (TypeRule(code),)
        return node

    def _slice(self, node: Node, name: str) -> Node:
        """Return the slice, made when new; a name with "/" is a slice of a slice."""
        outer, slash, _ = name.rpartition("/")
        if slash and outer in node.slices:
            node = node.slices[outer]
        if name not in node.slices:
            node.slices[name] = Node(node.name, f"{node.path}:{name}", node.element)
        return node.slices[name]

    def _fault(self, message: str) -> None:
        self._taken.faults.append((self._id, message))


def _child_of(parent: Node, element: Element) -> Node:
    if element.name not in parent.children:
        suffix = "[x]" if element.is_choice else ""
        path = f"{parent.path}.{element.name}{suffix}"
        parent.children[element.name] = Node(element.name, path, element)
    return parent.children[element.name]


def _type_named(element: Element, name: str) -> str | None:
    return next((one.code for json_name, one in element.json_names() if json_name == name), None)
