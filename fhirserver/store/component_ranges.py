"""Ranges that belong to a code: the quantities of an Observation's components. Pure.

`component-code-value-quantity` means the code and the value of the same component. Rows of the parameter
`component-value-quantity` do not say which component they are from, so these have rows of their own, whose number is
a keyed hash of the code: a tenant's codes stay unreadable. Codes are hashed without their system; a search that names one
is verified.

Spec: https://hl7.org/fhir/R4/observation.html#search
"""

from collections.abc import Iterator
from typing import Final

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.resource import Json
from fhirserver.search import emit
from fhirserver.search.entry import Entry
from fhirserver.search.ranges import ParamRange, range_entries

PARAMETER: Final = "component-code-value-quantity"
# The parameter whose rows hold the same values without their code.
VALUES: Final = "component-value-quantity"
_TYPE: Final = "Observation"
_quantity: Final = emit.quantity((VALUES,))


def component_ranges(resource: Json, blind: BlindIndex) -> Iterator[tuple[int, ParamRange]]:
    """Yield the number and the range of each (code, quantity) of a component; other types have none."""
    if resource.get("resourceType") != _TYPE:
        return
    for component in resource.get("component", ()):
        value = component.get("valueQuantity")
        if value is None:
            continue
        entries: list[Entry] = []
        _quantity(value, entries.append)
        _, ranges = range_entries(_TYPE, entries)
        codes = {
            one["code"] for one in component.get("code", {}).get("coding", ()) if "code" in one
        }
        for code in sorted(codes):
            for one in ranges:
                yield number(blind, one.param, code), one


def number(blind: BlindIndex, values: str, code: str) -> int:
    """Return the number of rows with the values of parameter `values` (`VALUES`, maybe with a unit) under `code`."""
    return blind.number(_TYPE, PARAMETER + values.removeprefix(VALUES), code)
