"""The codes a profile allows: its bindings, as far as they go beyond the base type's.

Required: the code must be in the value set. Extensible: one outside is a warning, since there may
be no fitting code inside. maxValueSet: nothing outside, ever. The others are advice.

Spec: https://hl7.org/fhir/R4/terminologies.html#strength
"""

from typing import Any

from fhirserver.definitions import Element
from fhirserver.validation.profiles.node import CodeBinding
from fhirserver.validation.profiles.place import Place
from fhirserver.validation.profiles.run import Check, Members, Run

CHECKED = frozenset({"required", "extensible"})


def binding_check(binding: CodeBinding, element: Element | None) -> Check | None:
    """Return the check of a binding, None where it demands nothing more than `element`'s own."""
    checks = []
    value_set = binding.value_set
    if value_set is not None and binding.strength in CHECKED and not _is_base(binding, element):
        checks.append(_membership(value_set, required=binding.strength == "required"))
    if binding.most is not None:
        checks.append(_membership(binding.most, required=True))
    if not checks:
        return None
    if len(checks) == 1:
        return checks[0]
    first, second = checks

    def check_both(place: Place, run: Run) -> None:
        first(place, run)
        second(place, run)

    return check_both


def _is_base(binding: CodeBinding, element: Element | None) -> bool:
    base = element.binding if element is not None else None
    if base is None or binding.value_set is None:
        return False
    same_set = base.value_set == binding.value_set.partition("|")[0]
    return same_set and base.strength in (binding.strength, "required")


def _membership(value_set: str, *, required: bool) -> Check:
    severity: Any = "error" if required else "warning"

    def check_codes(place: Place, run: Run) -> None:
        members = run.terminology.members(value_set)
        if members is None:
            message = f"the value set {value_set} is not loaded, so the code is not checked"
            run.report("warning", "not-found", place, message)
        elif is_outside(place.value, members, required=required):
            run.report(severity, "code-invalid", place, f"must be a code of {value_set}")

    return check_codes


def is_outside(value: Any, members: Members, *, required: bool) -> bool:
    """Whether a coded value is not in the set. Text without any code is only outside a required one."""
    if isinstance(value, str):
        return not members.contains(None, value)
    if not isinstance(value, dict):
        return False
    if "coding" not in value and ("text" in value or not _pair(value)[1]):
        return required
    codings = value["coding"] if isinstance(value.get("coding"), list) else [value]
    return not any(_is_member(one, members) for one in codings)


def _is_member(coding: Any, members: Members) -> bool:
    system, code = _pair(coding)
    return code is not None and system is not None and members.contains(system, code)


def _pair(coding: Any) -> tuple[str | None, str | None]:
    if not isinstance(coding, dict):
        return None, None
    system, code = coding.get("system"), coding.get("code")
    return (
        system if isinstance(system, str) else None,
        code if isinstance(code, str) else None,
    )
