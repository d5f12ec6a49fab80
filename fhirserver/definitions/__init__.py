"""FHIR R4 (4.0.1) as data: types, search parameters, compartments, required codes.

`load()` gives the shared `Definitions`. The data file `r4.json.gz` is compiled from HL7's
definitions (published under CC0) by `python -m fhirserver.definitions.compile`.

Spec: https://hl7.org/fhir/R4/downloads.html
"""

from fhirserver.definitions.loader import Definitions, load
from fhirserver.definitions.model import (
    Binding,
    Constraint,
    Element,
    ElementType,
    SearchComponent,
    SearchParameter,
    SearchType,
    Structure,
    ValueSet,
)

__all__ = [
    "Binding",
    "Constraint",
    "Definitions",
    "Element",
    "ElementType",
    "SearchComponent",
    "SearchParameter",
    "SearchType",
    "Structure",
    "ValueSet",
    "load",
]
