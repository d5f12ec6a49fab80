"""Whether a resource is valid FHIR R4, with the place of every fault.

`validate()` holds a resource against everything R4's definitions say: elements, cardinalities,
datatypes, choices, codes, references, containment, and every invariant. It is called on every write.

Spec: https://hl7.org/fhir/R4/validation.html
"""

from collections.abc import Iterator, Mapping

from fhirserver.definitions import load
from fhirserver.kernel.errors import Problem
from fhirserver.validation.containment import acceptors, check_resource
from fhirserver.validation.findings import Json

__all__ = ["MAX_PROBLEMS", "validate"]

MAX_PROBLEMS = 1000
"""Problems listed at most; one more then says that there are others."""


def validate(resource: object, *, best_practice: bool = False) -> list[Problem]:
    """Return the problems of `resource`, in document order: none when it is valid.

    Numbers must have been read without floats (`fhirserver.wire.fhir_json.read`); a float is
    reported as no number at all. Problems of severity "warning" do not make a resource invalid.
    Locations are FHIRPath with JSON names ("Observation.component[1].valueQuantity"). Messages
    never repeat what was sent. With `best_practice` advice is given too that the specification
    itself calls a matter of taste (dom-6: a resource should have a narrative).
    """
    problems = [] if acceptors().resource(resource) else _problems(resource)
    if best_practice and isinstance(resource, dict):
        problems += _advice(resource)
    return problems


def _problems(resource: object) -> list[Problem]:
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


def _advice(resource: Json, place: str = "") -> Iterator[Problem]:
    """dom-6 for a resource and for those in its entries."""
    name = resource.get("resourceType")
    if not load().is_resource_type(name):
        return
    at = place or str(name)
    text = resource.get("text")
    has_narrative = isinstance(text, dict) and ("div" in text or "_div" in text)
    if load().structure(str(name)).base == "DomainResource" and not has_narrative:
        message = "dom-6: a resource should have a narrative for people to read"
        yield Problem("warning", "invariant", at, message)
    entries = resource.get("entry") if name == "Bundle" else None
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        inner = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(inner, dict):
            yield from _advice(inner, f"{at}.entry[{index}].resource")
