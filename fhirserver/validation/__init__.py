"""Whether a resource is valid FHIR R4, with the place of every fault.

`validate()` is structural: elements, cardinalities, datatypes, choices, required codes,
references, containment, and the invariants in `invariants.HOLDS`. It is called on every write.

Spec: https://hl7.org/fhir/R4/validation.html
"""

from collections.abc import Mapping

from fhirserver.definitions import load
from fhirserver.kernel.errors import Problem
from fhirserver.validation.containment import check_resource

__all__ = ["validate"]


def validate(resource: object) -> list[Problem]:
    """Every problem of `resource`, in document order; an empty list when it is valid.

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
    return [Problem(one.severity, one.code, root + one.path, one.message) for one in found]
