"""Which modifiers a parameter takes.

Spec: https://hl7.org/fhir/R4/search.html#modifiers
"""

from typing import Final

from fhirserver.definitions.model import SearchParameter, SearchType
from fhirserver.fhirpath import UnsupportedError, compile_expression
from fhirserver.search.emitters import SearchDefinitions
from fhirserver.search.extract import COLUMNS

_BY_TYPE: Final[dict[SearchType, tuple[str, ...]]] = {
    "number": ("missing",),
    "date": ("missing",),
    "quantity": ("missing",),
    "string": ("contains", "exact", "missing"),
    "token": ("above", "below", "in", "missing", "not", "not-in", "text"),
    "reference": ("above", "below", "identifier", "missing"),
    "uri": ("above", "below", "missing"),
    "composite": (),
    "special": ("missing",),
}
# Parameters on the same type, by which a resource is part of a larger one: a location of a
# location. `:above` and `:below` of a reference follow them.
HIERARCHIES: Final = {
    "Encounter": "part-of",
    "Location": "partof",
    "Organization": "partof",
    "Procedure": "part-of",
    "Task": "part-of",
}


def modifiers(
    type_: str, parameter: SearchParameter, definitions: SearchDefinitions
) -> tuple[str, ...]:
    """Return the modifiers, without the resource types that a reference takes as well."""
    if parameter.code in COLUMNS:
        return ("not",) if parameter.code == "_id" else ()
    if parameter.expression is None:
        return ()
    found = _BY_TYPE[parameter.type]
    if parameter.type == "token" and "Identifier" in datatypes(type_, parameter, definitions):
        return (*found, "of-type")
    if parameter.type == "reference" and not hierarchy_targets(parameter.target):
        return tuple(one for one in found if one not in ("above", "below"))
    return found


def hierarchy_targets(targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the target types that are parts of their own kind."""
    return tuple(one for one in targets if one in HIERARCHIES)


def datatypes(
    type_: str, parameter: SearchParameter, definitions: SearchDefinitions
) -> frozenset[str]:
    """Return the datatypes a parameter can find; empty where only a resource can tell."""
    try:
        routes = compile_expression(str(parameter.expression), type_, definitions).routes
    except UnsupportedError:
        return frozenset()
    return frozenset(route.type for route in routes)
