"""Whether a resource is valid FHIR R4, with the place of every fault.

`validate()` is structural: elements, cardinalities, datatypes, choices, required codes,
references, containment, and the invariants in `invariants.HOLDS`. It is called on every write.

Spec: https://hl7.org/fhir/R4/validation.html
"""

from collections.abc import Mapping

from fhirserver.definitions import load
from fhirserver.kernel.errors import Problem
from fhirserver.validation.containment import check_resource

__all__ = ["MAX_PROBLEMS", "validate"]

MAX_PROBLEMS = 1000
"""Problems listed at most; one more then says that there are others."""


def validate(resource: object) -> list[Problem]:
    """Return the problems of `resource`, in document order: none when it is valid.

    Numbers must have been read without floats (`fhirserver.wire.fhir_json.read`); a float is
    reported as no number at all. Problems of severity "warning" do not make a resource invalid.
    Locations are FHIRPath with JSON names ("Observation.component[1].valueQuantity"). Messages
    never repeat what was sent.
    """
    value = resource
    if type(resource) is not dict and isinstance(resource, Mapping):
        value = dict(resource)
    found = check_resource(value, None)
    if found is None:
        return []
    name = value.get("resourceType") if isinstance(value, dict) else None
    root = str(name) if load().is_resource_type(name) else "Resource"
    problems = [
        Problem(one.severity, one.code, root + one.path, one.message)
        for one in found[:MAX_PROBLEMS]
    ]
    if len(found) > MAX_PROBLEMS:
        left_out = len(found) - MAX_PROBLEMS
        problems.append(Problem("error", "too-costly", root, f"and {left_out} more problems"))
    return problems
