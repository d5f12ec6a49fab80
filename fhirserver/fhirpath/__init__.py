"""FHIRPath, twice: an engine for all of it, and a compiler for what search needs to be fast.

`compile_path` turns an expression into a `Path` that runs on any resource or element: for
invariants, patches, custom search parameters. `compile_expression` turns the part that R4's search
parameters use into typed routes through the JSON of one resource type; what that part does not
know is refused with `UnsupportedError` when it is compiled, and never ignored when it runs. Both
share one parser.

Spec: https://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html
"""

from fhirserver.fhirpath.check import check_path
from fhirserver.fhirpath.compiler import Compiled, compile_expression
from fhirserver.fhirpath.errors import (
    EvaluationError,
    FhirPathError,
    TooExpensiveError,
    UnsupportedError,
)
from fhirserver.fhirpath.node import Node
from fhirserver.fhirpath.path import Path, Typed, compile_path
from fhirserver.fhirpath.route import Compute, Hop, Keep, Route
from fhirserver.fhirpath.scope import Environment, Limits

__all__ = [
    "Compiled",
    "Compute",
    "Environment",
    "EvaluationError",
    "FhirPathError",
    "Hop",
    "Keep",
    "Limits",
    "Node",
    "Path",
    "Route",
    "TooExpensiveError",
    "Typed",
    "UnsupportedError",
    "check_path",
    "compile_expression",
    "compile_path",
]
