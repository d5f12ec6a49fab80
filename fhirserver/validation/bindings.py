"""Bindings: the codes an element may have.

Codes outside a required value set are errors. Outside an extensible one they are warnings, for a
code of one's own is allowed where none of the set fits; they are given where the value set is
loaded. Preferred and example bindings are advice. Where the element is a CodeableConcept, one of
its codings must come from the value set.

Spec: https://hl7.org/fhir/R4/terminologies.html#strength
"""

from functools import cache
from typing import Any

from fhirserver.definitions import Binding, ValueSet, load
from fhirserver.terminology import Members, terminology_of
from fhirserver.validation.findings import Check, Finding, Findings, fault

MAX_NAMED = 12
"""A refusal names the allowed codes where there are at most this many."""


def code_check(plain: Check, binding: Binding | None) -> Check:
    """Narrows the check of a `code` (or string, uri) to the codes of its binding."""
    if binding is None or binding.strength not in ("required", "extensible"):
        return plain
    if binding.strength == "extensible":
        return _advised_code(plain, binding.value_set)
    value_set = required_codes(binding)
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


def required_codes(binding: Binding) -> ValueSet:
    """The codes of a required binding. LookupError where the definitions lack them."""
    value_set = load().value_set(binding.value_set)
    if value_set is None:
        raise LookupError(f"no codes for {binding.value_set}")
    return value_set


def binding_rule(type_: str, binding: Binding | None) -> Check | None:
    """The rule of a coded value of a complex type; None where it is bound to nothing checked."""
    if binding is None or type_ not in ("CodeableConcept", "Coding", "Quantity"):
        return None
    is_concept = type_ == "CodeableConcept"
    if binding.strength == "required":
        value_set = required_codes(binding)
        return _concept_rule(value_set) if is_concept else _coding_rule(value_set)
    if binding.strength == "extensible":
        return _advised_concept(binding.value_set) if is_concept else _advised_coding(binding)
    return None


def _concept_rule(value_set: ValueSet) -> Check:
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


def _coding_rule(value_set: ValueSet) -> Check:
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


@cache
def _members(value_set: str) -> Members | None:
    return terminology_of(load()).members(value_set)


def _advised_code(plain: Check, value_set: str) -> Check:
    def check_code(value: Any, parent: Any) -> Findings:
        found = plain(value, parent)
        # A full URL, as Reference.type may be, is a definition of one's own and no code.
        if found is None and ":" not in value:
            members = _members(value_set)
            if members is not None and not members.contains(None, value):
                return [_advice(value_set)]
        return found

    return check_code


def _advised_concept(value_set: str) -> Check:
    def check_concept(value: dict[str, Any], _parent: object) -> Findings:
        codings = value.get("coding")
        if type(codings) is not list or any(_is_member(one, value_set) for one in codings):
            return None
        return [_advice(value_set, ".coding")]

    return check_concept


def _advised_coding(binding: Binding) -> Check:
    value_set = binding.value_set

    def check_coding(value: dict[str, Any], _parent: object) -> Findings:
        if "code" not in value or _is_member(value, value_set):
            return None
        return [_advice(value_set, ".code")]

    return check_coding


def _is_member(coding: object, value_set: str) -> bool:
    """Whether a coding is in an extensible value set, or cannot be judged."""
    members = _members(value_set)
    if members is None or type(coding) is not dict:
        return True
    system, code = coding.get("system"), coding.get("code")
    if type(code) is not str or (system is not None and type(system) is not str):
        return True
    return members.contains(system, code)


def _advice(value_set: str, path: str = "") -> Finding:
    message = f"no code of {value_set}, which should be used where one of its codes fits"
    return Finding("code-invalid", message, path, severity="warning")
