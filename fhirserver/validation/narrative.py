"""The check of a narrative's XHTML (rules txt-1 and txt-2).

Spec: https://hl7.org/fhir/R4/narrative.html#xhtml
"""

from fhirserver.fhirpath.narrative import fault_of
from fhirserver.validation.findings import Findings, fault, wrong_type


def check_xhtml(value: object, _parent: object) -> Findings:
    """Findings for a string that is no allowed XHTML `div`; None when it is one."""
    if type(value) is not str:
        return wrong_type("a string", value)
    found = fault_of(value)
    return None if found is None else fault("invariant", found)
