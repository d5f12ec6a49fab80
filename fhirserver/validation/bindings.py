"""Required bindings: the codes an element may have.

Only bindings of strength `required` are checked; the others are advice. Where the element is
a CodeableConcept, one of its codings must come from the value set.

Spec: https://hl7.org/fhir/R4/terminologies.html#required
"""

from typing import Any

from fhirserver.definitions import ValueSet
from fhirserver.validation.findings import Check, Findings, fault

MAX_NAMED = 12
"""A refusal names the allowed codes where there are at most this many."""


def code_check(plain: Check, value_set: ValueSet) -> Check:
    """Narrows the check of a `code` (or string, uri) to the codes of `value_set`."""
    codes = value_set.all_codes

    def check_listed(value: Any, parent: Any) -> Findings:
        if type(value) is str and value in codes:
            return None
        return plain(value, parent) or fault("code-invalid", _message(value_set))

    def check_patterned(value: Any, parent: Any) -> Findings:
        found = plain(value, parent)
        if found is None and not value_set.has_code(value):
            return fault("code-invalid", _message(value_set))
        return found

    return check_patterned if value_set.pattern is not None else check_listed


def concept_rule(value_set: ValueSet) -> Check:
    """The rule of a CodeableConcept whose own elements are already known to be right."""

    def check_concept(value: dict[str, Any], _parent: object) -> Findings:
        codings = value.get("coding")
        if type(codings) is not list:
            return fault("code-invalid", f"a coding from {value_set.url} is required")
        if any(
            type(one) is dict and _allows(value_set, one.get("system"), one.get("code"))
            for one in codings
        ):
            return None
        return fault("code-invalid", _message(value_set), ".coding")

    return check_concept


def coding_rule(value_set: ValueSet) -> Check:
    """The rule of a Coding or Quantity whose own elements are already known to be right."""

    def check_coding(value: dict[str, Any], _parent: object) -> Findings:
        if _allows(value_set, value.get("system"), value.get("code")):
            return None
        return fault("code-invalid", _message(value_set), ".code")

    return check_coding


def _allows(value_set: ValueSet, system: object, code: object) -> bool:
    if type(system) is not str or type(code) is not str:
        return False
    return value_set.has_coding(system, code)


def _message(value_set: ValueSet) -> str:
    """Names what is allowed, never what was sent: that may be anything, a patient's name too."""
    if 0 < len(value_set.all_codes) <= MAX_NAMED:
        return f"must be one of {', '.join(sorted(value_set.all_codes))}"
    return f"must be a code of {value_set.url}"
