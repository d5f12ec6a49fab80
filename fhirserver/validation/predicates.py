"""Words in which invariants are written: presence, comparison, units.

An element counts as present when it has a value or, for a primitive, only extensions beside it
(`_name`); a choice is present under any of its typed names. All predicates accept any JSON
below the object they are given.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from decimal import Decimal

from fhirserver.definitions import load
from fhirserver.fhirpath import quantity as quantities
from fhirserver.fhirpath.temporal import order, parse_calendar
from fhirserver.validation.findings import Json

Predicate = Callable[[Json], bool]

UCUM = "http://unitsofmeasure.org"


def has(value: Json, name: str) -> bool:
    """Whether the element `name` exists, as FHIRPath's exists() sees it."""
    if name in value or "_" + name in value:
        return True
    keys = CHOICES.get(name)
    return keys is not None and not keys.isdisjoint(value)


_CHOICES = (
    *("abatement", "age", "born", "defaultValue", "detail", "dose", "fixed", "pattern", "rate"),
    *("timing", "value"),
)


def _typed_names(name: str) -> frozenset[str]:
    definitions = load()
    datatypes = set(definitions.structure_names).difference(definitions.resource_types)
    typed = {f"{name}{one[0].upper()}{one[1:]}" for one in datatypes}
    return frozenset(typed | {"_" + one for one in typed})


CHOICES = {name: _typed_names(name) for name in _CHOICES}
"""The choice elements that predicates ask for by their common name, with all names in JSON."""


def items(value: Json, name: str) -> Iterator[Json]:
    """The objects in the array `name`."""
    found = value.get(name)
    if isinstance(found, list):
        for one in found:
            if isinstance(one, dict):
                yield one


def at_least_one(*names: str) -> Predicate:
    """One or more of the elements exist."""
    return lambda value: any(has(value, name) for name in names)


def exactly_one(first: str, second: str) -> Predicate:
    """One of the two exists and the other does not."""
    return lambda value: has(value, first) != has(value, second)


def same_presence(first: str, second: str) -> Predicate:
    """Both exist or neither."""
    return lambda value: has(value, first) == has(value, second)


def excludes(first: str, second: str) -> Predicate:
    """Not both exist. Ask for the rarer one first."""
    return lambda value: not (has(value, first) and has(value, second))


def needs(name: str, other: str) -> Predicate:
    """If `name` exists, so does `other`."""
    return lambda value: (
        (name in value and other in value) or not has(value, name) or has(value, other)
    )


def implies(premise: Predicate, conclusion: Predicate) -> Predicate:
    """If the first holds, so does the second."""
    return lambda value: not premise(value) or conclusion(value)


def any_of(*predicates: Predicate) -> Predicate:
    """At least one of the predicates holds."""
    return lambda value: any(holds(value) for holds in predicates)


def none_has(value: Json, array: str, name: str) -> bool:
    """No object in `array` has the element `name`."""
    return not any(has(one, name) for one in items(value, array))


def code_is(value: Json, name: str, *codes: str) -> bool:
    """Whether the code `name` is one of `codes`."""
    return value.get(name) in codes


def coded(value: Json, name: str, system: str, *codes: str) -> bool:
    """Whether the CodeableConcept `name` has a coding of `system` that is one of `codes`."""
    concept = value.get(name)
    return isinstance(concept, dict) and any(
        one.get("system") == system and one.get("code") in codes for one in items(concept, "coding")
    )


def distinct(values: Iterable[Hashable]) -> bool:
    """Whether no value appears twice."""
    listed = list(values)
    return len(set(listed)) == len(listed)


def not_negative(name: str) -> Predicate:
    """The number `name` is zero or more, or absent."""

    def holds(value: Json) -> bool:
        number = value.get(name)
        return not isinstance(number, int | Decimal) or number >= 0

    return holds


def ucum(
    *,
    value_needs_code: bool,
    code: str | None = None,
    positive: bool = False,
    whole: bool = False,
) -> Predicate:
    """The rules that Age, Count and Distance add to Quantity."""

    def holds(quantity: Json) -> bool:
        value = quantity.get("value")
        number = value if isinstance(value, int | Decimal) else None
        return (
            (not value_needs_code or has(quantity, "code") or not has(quantity, "value"))
            and quantity.get("system", UCUM) == UCUM
            and (code is None or quantity.get("code", code) == code)
            and (not positive or number is None or number > 0)
            and (not whole or not isinstance(number, Decimal))
        )

    return holds


def holds_range(value: Json) -> bool:
    """Whether low <= high, converting units; True where they do not compare."""
    low, high = value.get("low"), value.get("high")
    if not isinstance(low, dict) or not isinstance(high, dict):
        return True
    first, second = quantities.from_json(low), quantities.from_json(high)
    if first is None or second is None:
        return True
    found = quantities.order(first, second)
    return found is None or found <= 0


def ordered_period(value: Json) -> bool:
    """Whether start <= end; True where precision or time zone leaves it open."""
    return _in_order(value.get("start"), value.get("end"))


def times_in_order(earlier: str, later: str) -> Predicate:
    """The first time is not after the second; True where that is open."""
    return lambda value: _in_order(value.get(earlier), value.get(later))


def _in_order(start: object, end: object) -> bool:
    if not isinstance(start, str) or not isinstance(end, str):
        return True
    if len(start) > 19 and start[19:] == end[19:]:
        # To the second, with the same fraction and zone.
        return start <= end
    first, second = parse_calendar(start), parse_calendar(end)
    if first is None or second is None:
        return True
    found = order(first, second)
    return found is None or found <= 0


def identifier_name(value: Json) -> bool:
    """Whether `name` may name something in a program; a missing one is no fault."""
    name = value.get("name")
    return not isinstance(name, str) or _PROGRAM_NAME(name) is not None


_PROGRAM_NAME = re.compile(r"[A-Z][A-Za-z0-9_]{0,254}").fullmatch
