"""FHIRPath, as far as search parameters need it, compiled for FHIR JSON.

`compile_expression` turns an expression into typed routes through the JSON of one resource type;
whatever the subset does not know is refused with `UnsupportedError` when it is compiled, and
never ignored when it runs.

Spec: https://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html
"""

from fhirserver.fhirpath.compiler import Compiled, compile_expression
from fhirserver.fhirpath.route import Compute, Hop, Keep, Route
from fhirserver.fhirpath.syntax import UnsupportedError

__all__ = ["Compiled", "Compute", "Hop", "Keep", "Route", "UnsupportedError", "compile_expression"]
