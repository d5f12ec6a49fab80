"""Puts values into JSON and takes them out, with what FHIR keeps beside a primitive: its id and extensions.

A primitive `birthDate` has its companion at `_birthDate`; of a list of primitives both are lists of equal length, with null
where there is nothing.

Spec: https://hl7.org/fhir/R4/json.html#primitive
"""

from dataclasses import dataclass
from typing import Any

from fhirserver.kernel.resource import Json


@dataclass(frozen=True, slots=True)
class Primitive:
    """A primitive with its companion; either may be None."""

    value: Any
    companion: Any


def is_there(target: Json, name: str) -> bool:
    """Return whether `target` has the element `name`, be it only its companion."""
    return name in target or "_" + name in target


def put(target: Json, name: str, value: Any) -> None:
    """Make `value` the one value of the element `name`."""
    take(target, name)
    one = value if isinstance(value, Primitive) else Primitive(value, None)
    if one.value is not None:
        target[name] = one.value
    if one.companion is not None:
        target["_" + name] = one.companion


def take(target: Json, name: str) -> None:
    """Take the whole element `name` out of `target`, if it is there."""
    target.pop(name, None)
    target.pop("_" + name, None)


def items(target: Json, name: str) -> list[Primitive]:
    """Return the items of a list with what stands beside each."""
    values, companions = target.get(name) or [], target.get("_" + name) or []
    length = max(len(values), len(companions))
    values = [*values, *[None] * (length - len(values))]
    companions = [*companions, *[None] * (length - len(companions))]
    return [Primitive(*pair) for pair in zip(values, companions, strict=True)]


def put_items(target: Json, name: str, rows: list[Any]) -> None:
    """Make `rows` the items of the list `name`; none of them is no list."""
    take(target, name)
    made = [row if isinstance(row, Primitive) else Primitive(row, None) for row in rows]
    if any(row.value is not None for row in made):
        target[name] = [row.value for row in made]
    if any(row.companion is not None for row in made):
        target["_" + name] = [row.companion for row in made]
