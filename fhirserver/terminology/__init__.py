"""Terminology: value sets, code systems, concept maps and units, in memory and without I/O.

`terminology_of(definitions)` answers questions about codes; `fhirserver.terminology.ucum` about
units. What is not loaded is told the same way everywhere: `not_loaded`.

Spec: https://hl7.org/fhir/R4/terminology-module.html
"""

from fhirserver.terminology.members import Member, Members, NotEnumerableError
from fhirserver.terminology.terminology import Terminology, not_loaded, terminology_of

__all__ = [
    "Member",
    "Members",
    "NotEnumerableError",
    "Terminology",
    "not_loaded",
    "terminology_of",
]
