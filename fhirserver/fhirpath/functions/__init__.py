"""The functions of FHIRPath, each declared beside its code.

Spec: https://hl7.org/fhirpath/N1/#functions
"""

from typing import Final

from fhirserver.fhirpath.functions import collections, conversion, fhir, numbers, strings
from fhirserver.fhirpath.functions.signature import Signature

FUNCTIONS: Final[dict[str, Signature]] = {
    **collections.FUNCTIONS,
    **strings.FUNCTIONS,
    **numbers.FUNCTIONS,
    **conversion.FUNCTIONS,
    **fhir.FUNCTIONS,
}
"""By name. `is`, `as` and `ofType` take a type and are part of the grammar's compiler."""

__all__ = ["FUNCTIONS", "Signature"]
