"""A code system in memory: its concepts, their displays and properties, and who subsumes whom.

The hierarchy is what nesting says plus the properties `parent`, `child` and `subsumedBy` (codes),
so a concept may have several parents.

Spec: https://hl7.org/fhir/R4/codesystem.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from fhirserver.kernel.resource import Json

Relation = Literal["equivalent", "subsumes", "subsumed-by", "not-subsumed"]

_INACTIVE: Final = frozenset({"retired", "inactive"})
_UPWARD: Final = frozenset({"parent", "subsumedBy"})


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a concept; `element` is the name of its value[x] (valueCode, valueString)."""

    code: str
    element: str
    value: Any


@dataclass(frozen=True, slots=True)
class Concept:
    """One code with what its system says about it. `designations` are as in the resource."""

    code: str
    display: str | None
    definition: str | None
    designations: tuple[Json, ...]
    properties: tuple[Property, ...]
    parents: tuple[str, ...]
    children: tuple[str, ...]

    @property
    def inactive(self) -> bool:
        """Whether the concept must no longer be used in new records."""
        return any(
            (one.code == "inactive" and one.value is True)
            or (one.code == "status" and one.value in _INACTIVE)
            for one in self.properties
        )

    @property
    def abstract(self) -> bool:
        """Whether the concept only groups others and cannot be chosen itself."""
        return any(
            one.code in ("notSelectable", "abstract") and one.value in (True, "true")
            for one in self.properties
        )


class CodeSystem:
    """The concepts of a CodeSystem resource by code, in the order of the resource."""

    def __init__(self, resource: Json, supplements: Iterable[Json] = ()) -> None:
        """`supplements`: CodeSystem resources that add designations and properties to this one."""
        self.url: str = resource.get("url", "")
        self.version: str | None = resource.get("version")
        self.name: str | None = resource.get("name")
        self.content: str = resource.get("content", "complete")
        self.case_sensitive: bool = resource.get("caseSensitive", True)
        self.declared: frozenset[str] = frozenset(
            row["code"] for row in resource.get("property", ()) if "code" in row
        )
        reader = _Reader()
        reader.read(resource.get("concept", ()), None)
        for supplement in supplements:
            reader.supplement(supplement.get("concept", ()))
        self.concepts: Mapping[str, Concept] = reader.concepts()

    @cached_property
    def _folded(self) -> dict[str, Concept]:
        return {code.casefold(): concept for code, concept in self.concepts.items()}

    def find(self, code: str) -> Concept | None:
        """Return the concept of `code`, without regard to case where the system has none."""
        found = self.concepts.get(code)
        if found is None and not self.case_sensitive:
            return self._folded.get(code.casefold())
        return found

    def descendants(self, code: str) -> frozenset[str]:
        """Return `code` and everything below it; empty for an unknown code."""
        return self._reach(code, "children")

    def ancestors(self, code: str) -> frozenset[str]:
        """Return `code` and everything above it; empty for an unknown code."""
        return self._reach(code, "parents")

    def subsumes(self, first: str, second: str) -> Relation | None:
        """Return how `first` stands to `second`; None when one of them is unknown."""
        one, other = self.find(first), self.find(second)
        if one is None or other is None:
            return None
        if one.code == other.code:
            return "equivalent"
        if one.code in self.ancestors(other.code):
            return "subsumes"
        return "subsumed-by" if other.code in self.ancestors(one.code) else "not-subsumed"

    def _reach(self, code: str, direction: Literal["parents", "children"]) -> frozenset[str]:
        start = self.find(code)
        if start is None:
            return frozenset()
        # A walk with memory: a hierarchy may have several parents, and a wrong one may go round.
        reached = {start.code}
        waiting = [start]
        while waiting:
            for other in getattr(waiting.pop(), direction):
                if other not in reached:
                    reached.add(other)
                    waiting.append(self.concepts[other])
        return frozenset(reached)


class _Reader:
    """Flattens the tree of a resource. Iterative: nesting depth is the sender's choice."""

    def __init__(self) -> None:
        self._rows: dict[str, Json] = {}
        self._designations: dict[str, list[Json]] = {}
        self._properties: dict[str, list[Property]] = {}
        self._parents: dict[str, dict[str, None]] = {}

    def read(self, concepts: Iterable[Json], parent: str | None) -> None:
        waiting = [(row, parent) for row in reversed(list(concepts))]
        while waiting:
            row, above = waiting.pop()
            code = row.get("code")
            if not isinstance(code, str):
                continue
            self._rows.setdefault(code, row)
            self._add(code, row)
            if above is not None:
                self._parents.setdefault(code, {})[above] = None
            waiting.extend((child, code) for child in reversed(row.get("concept", [])))

    def supplement(self, concepts: Iterable[Json]) -> None:
        waiting = list(concepts)
        while waiting:
            row = waiting.pop()
            if row.get("code") in self._rows:
                self._add(row["code"], row)
            waiting.extend(row.get("concept", ()))

    def _add(self, code: str, row: Json) -> None:
        self._designations.setdefault(code, []).extend(row.get("designation", ()))
        properties = self._properties.setdefault(code, [])
        for one in row.get("property", ()):
            element = next((name for name in one if name.startswith("value")), None)
            if element is not None and "code" in one:
                properties.append(Property(one["code"], element, one[element]))

    def concepts(self) -> dict[str, Concept]:
        self._link()
        children: dict[str, list[str]] = {}
        for code in self._rows:
            for parent in self._parents.get(code, ()):
                children.setdefault(parent, []).append(code)
        return {
            code: Concept(
                code=code,
                display=row.get("display"),
                definition=row.get("definition"),
                designations=tuple(self._designations.get(code, ())),
                properties=tuple(self._properties.get(code, ())),
                parents=tuple(self._parents.get(code, ())),
                children=tuple(children.get(code, ())),
            )
            for code, row in self._rows.items()
        }

    def _link(self) -> None:
        """Turns the properties that name relatives into parents."""
        for code, properties in self._properties.items():
            for one in properties:
                if one.value not in self._rows or one.value == code:
                    continue
                if one.code in _UPWARD:
                    self._parents.setdefault(code, {})[one.value] = None
                elif one.code == "child":
                    self._parents.setdefault(one.value, {})[code] = None
