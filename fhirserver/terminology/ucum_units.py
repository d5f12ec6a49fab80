"""The prefixes and unit atoms of UCUM, read from the official table.

The table `ucum-essence.xml` is shipped unmodified (its notice is UCUM-LICENSE.txt) and read at the
first use of a unit. An atom's definition stays text here; `fhirserver.terminology.ucum` resolves it.

Spec: https://ucum.org/ucum
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from typing import Final
from xml.etree import ElementTree as ET

TABLE: Final = "ucum-essence.xml"
_NS: Final = "{http://unitsofmeasure.org/ucum-essence}"

ZERO_POINTS: Final[dict[str, tuple[Fraction, Fraction]]] = {
    # function -> (degrees to add, kelvin to add) on the way to kelvin: temperature scales are the
    # special units that keep order and stay rational (UCUM section 4.5, table of functions)
    "Cel": (Fraction(0), Fraction("273.15")),
    "degF": (Fraction("459.67"), Fraction(0)),
    "degRe": (Fraction(0), Fraction("273.15")),
}


@dataclass(frozen=True, slots=True)
class Atom:
    """One unit of the table.

    `definition` is its value as a term times `factor`; "" for a base unit. `is_metric`: it may carry
    a prefix. `function` names the scale of a special unit, "" for a ratio scale. `stands_alone`: it
    converts to nothing else (base units, procedure-defined units).
    """

    code: str
    name: str
    factor: Fraction
    definition: str
    is_metric: bool
    function: str
    stands_alone: bool


@dataclass(frozen=True, slots=True)
class Table:
    """All prefixes (factor by code) and all atoms (by code); case-sensitive codes only."""

    version: str
    prefixes: dict[str, Fraction]
    atoms: dict[str, Atom]


@lru_cache(maxsize=1)
def table() -> Table:
    """Return the shipped table, read once."""
    content = resources.files("fhirserver.terminology").joinpath(TABLE).read_bytes()
    # The file is part of this package; nothing a caller sends comes this way.
    root = ET.fromstring(content)  # noqa: S314 - as said above
    prefixes = {
        row.attrib["Code"]: Fraction(_child(row, "value").attrib["value"])
        for row in root.iter(f"{_NS}prefix")
    }
    atoms = [_base(row) for row in root.iter(f"{_NS}base-unit")]
    atoms += [_unit(row) for row in root.iter(f"{_NS}unit")]
    return Table(root.attrib["version"], prefixes, {atom.code: atom for atom in atoms})


def _base(row: ET.Element) -> Atom:
    return Atom(row.attrib["Code"], _name(row), Fraction(1), "", True, "", True)


def _unit(row: ET.Element) -> Atom:
    value = _child(row, "value")
    function = value.find(f"{_NS}function")
    source = function if function is not None else value
    definition = source.attrib["Unit"]
    return Atom(
        code=row.attrib["Code"],
        name=_name(row),
        factor=Fraction(source.attrib["value"]),
        definition=definition,
        is_metric=row.attrib["isMetric"] == "yes",
        function=function.attrib["name"] if function is not None else "",
        stands_alone=row.get("isArbitrary") == "yes" and definition == "1",
    )


def _name(row: ET.Element) -> str:
    return "".join(_child(row, "name").itertext()).strip()


def _child(row: ET.Element, name: str) -> ET.Element:
    found = row.find(f"{_NS}{name}")
    if found is None:
        message = f"{TABLE}: {row.get('Code')} has no {name}"
        raise ValueError(message)
    return found
