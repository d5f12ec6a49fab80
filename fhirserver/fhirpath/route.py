"""Typed routes: what a path becomes once the types on its way are known.

A route leads from the JSON of one resource (or element) to values of one FHIR type. A choice such
as `Observation.value` becomes one route per type, because JSON has one property per type; a caller
therefore always knows statically what it will find at the end.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fhirserver.definitions.model import Binding


@dataclass(frozen=True, slots=True)
class Keep:
    """A filter on values.

    `text` identifies it; `reference_type` is set when it is `resolve() is X`.
    """

    text: str
    test: Callable[[Any], bool]
    reference_type: str | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One step into JSON: property `key`, then `index` (None: all values), then the filters."""

    key: str
    is_list: bool
    index: int | None = None
    keeps: tuple[Keep, ...] = ()

    def values(self, parent: Any) -> Iterable[Any]:
        """Return the values found in `parent`; nothing where JSON has another shape."""
        if type(parent) is not dict:
            return ()
        found = parent.get(self.key)
        if found is None:
            return ()
        values: Iterable[Any]
        if type(found) is list:
            values = found if self.index is None else found[self.index : self.index + 1]
        else:
            values = (found,) if not self.index else ()
        for keep in self.keeps:
            values = [value for value in values if keep.test(value)]
        return values


@dataclass(frozen=True, slots=True)
class Compute:
    """A step whose result is computed from the value before it, such as `exists()`."""

    text: str
    run: Callable[[Any], list[Any]]

    def values(self, parent: Any) -> Iterable[Any]:
        """Return the computed values."""
        return self.run(parent)


@dataclass(frozen=True, slots=True)
class Route:
    """Steps to values of FHIR `type` (a datatype, or the path of a backbone element).

    `binding` is the value set of the last element, where it has one.
    """

    steps: tuple[Hop | Compute, ...]
    type: str
    binding: Binding | None = None

    def values(self, value: Any) -> list[Any]:
        """Return what the route finds, in document order; JSON nulls are left out."""
        found = [value]
        for step in self.steps:
            found = [inner for outer in found for inner in step.values(outer) if inner is not None]
        return found
