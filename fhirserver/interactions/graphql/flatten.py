"""@flatten and @singleton: less nesting in an answer.

A field with @flatten is left out of the answer; what is below it moves up to its parent, as lists
that collect the values of every item. @singleton on a field below makes it one value instead.

Spec: https://hl7.org/fhir/R4/graphql.html#directives
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode

from fhirserver.interactions.graphql.language import Fragments
from fhirserver.interactions.graphql.schema import FLATTEN, SINGLETON
from fhirserver.kernel.errors import Unprocessable


@dataclass(slots=True)
class _Shape:
    """What the query says about one key of the answer, fragments taken together."""

    flatten: bool = False
    singleton: bool = False
    below: dict[str, "_Shape"] = field(default_factory=dict)

    @property
    def matters(self) -> bool:
        return self.flatten or any(one.matters for one in self.below.values())


def flattened(data: Any, selections: SelectionSetNode, fragments: Fragments) -> Any:
    """Return the answer `data` of a query with its @flatten carried out.

    Raises `Unprocessable` where @singleton meets several values.
    """
    shape = _Shape()
    _collect(shape, selections, fragments)
    return _shaped(data, shape) if shape.matters else data


def _collect(shape: _Shape, selections: SelectionSetNode, fragments: Fragments) -> None:
    for one in selections.selections:
        if isinstance(one, FieldNode):
            key = one.alias.value if one.alias is not None else one.name.value
            found = shape.below.setdefault(key, _Shape())
            names = {directive.name.value for directive in one.directives or ()}
            found.flatten |= FLATTEN in names
            found.singleton |= SINGLETON in names
            if one.selection_set is not None:
                _collect(found, one.selection_set, fragments)
        elif isinstance(one, FragmentSpreadNode):
            _collect(shape, fragments[one.name.value].selection_set, fragments)
        elif isinstance(one, InlineFragmentNode):
            _collect(shape, one.selection_set, fragments)


def _shaped(data: Any, shape: _Shape) -> Any:
    if isinstance(data, list):
        return [_shaped(one, shape) for one in data]
    if not isinstance(data, dict):
        return data
    out: dict[str, Any] = {}
    for key, value in data.items():
        inner = shape.below.get(key, _Shape())
        if inner.flatten:
            _lift(out, value, inner)
        else:
            out[key] = _shaped(value, inner)
    return out


def _lift(out: dict[str, Any], value: Any, shape: _Shape) -> None:
    """Put what is below a flattened field into its parent `out`."""
    for item in _items(_shaped(value, shape)):
        for key, found in item.items():
            inner = shape.below.get(key, _Shape())
            if inner.singleton:
                if found is not None and out.get(key) is not None:
                    message = f"@singleton: there are several values of {key!r}."
                    raise Unprocessable(message)
                out[key] = found if out.get(key) is None else out[key]
            else:
                values = found if isinstance(found, list) else [found]
                out.setdefault(key, []).extend(one for one in values if one is not None)


def _items(value: Any) -> Iterator[dict[str, Any]]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            yield one
