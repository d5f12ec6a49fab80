"""How a function is declared: its name, how many arguments it takes, and of what kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fhirserver.fhirpath.scope import Items

Kind = Literal["values", "expressions"]
"""What a function gets for its arguments: collections, evaluated where the call stands, or
compiled expressions, which it evaluates itself for the items it chooses."""

Function = Callable[..., Items]
"""``run(scope, items, *arguments)``: `items` are what stands before the dot."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function with `least` to `most` arguments."""

    run: Function
    least: int
    most: int
    kind: Kind


def on_values(run: Function, least: int = 0, most: int | None = None) -> Signature:
    """A function of collections."""
    return Signature(run, least, least if most is None else most, "values")


def on_expressions(run: Function, least: int = 1, most: int | None = None) -> Signature:
    """A function of expressions."""
    return Signature(run, least, least if most is None else most, "expressions")
