"""What a treatment plan says: how long a treatment takes, and the dry weight it aims at. Pure.

The plan is a CarePlan with an activity of code 302497006 (SNOMED CT, hemodialysis) whose
`scheduledTiming.repeat` has a duration; the dry weight is a Goal it names, with a target for the body
weight (LOINC 29463-7). https://hl7.org/fhir/R4/careplan.html, https://hl7.org/fhir/R4/goal.html
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from fhirserver.kernel.canonical import LOINC, SNOMED
from fhirserver.kernel.resource import Json
from fhirserver.relations.on_call import reference_of
from subscriptions.core.treatment_procedure import HEMODIALYSIS

_BODY_WEIGHT: Final = "29463-7"
# Units of a duration by which a treatment can be planned, in seconds.
_UNITS: Final = {"s": 1, "min": 60, "h": 3600}
_LONGEST: Final = 24 * 3600


def planned_seconds(care_plan: Json) -> int | None:
    """Return how long a treatment takes by an active `care_plan`; None when it does not say."""
    for detail in _treatments(care_plan):
        repeat = detail.get("scheduledTiming", {}).get("repeat", {})
        length, unit = repeat.get("duration"), repeat.get("durationUnit")
        if isinstance(length, int | Decimal) and unit in _UNITS:
            seconds = int(Decimal(length) * _UNITS[unit])
            if 0 < seconds <= _LONGEST:
                return seconds
    return None


def plans_treatments(care_plan: Json) -> bool:
    """Return whether `care_plan` is in force and plans treatments."""
    return any(True for _ in _treatments(care_plan))


def patient_of(plan_or_goal: Json | None) -> str | None:
    """Return the id of the patient a CarePlan or a Goal is for; None where there is none."""
    subject = None if plan_or_goal is None else plan_or_goal.get("subject")
    type_, _, id_ = reference_of(subject).partition("/")
    return id_ if type_ == "Patient" and id_ else None


def goals_of(care_plan: Json) -> Iterator[str]:
    """Yield the ids of the Goals a plan names."""
    for goal in care_plan.get("goal", []):
        type_, _, id_ = reference_of(goal).partition("/")
        if type_ == "Goal" and id_:
            yield id_


def dry_weight(goal: Json) -> Decimal | None:
    """Return the dry weight (kg) that an accepted or active `goal` aims at; None for other goals."""
    if goal.get("lifecycleStatus") not in ("accepted", "active"):
        return None
    for target in goal.get("target", []):
        quantity = target.get("detailQuantity", {})
        value = quantity.get("value")
        is_weight = (
            _has(target.get("measure"), LOINC, _BODY_WEIGHT) and quantity.get("code") == "kg"
        )
        if is_weight and isinstance(value, int | Decimal) and value > 0:
            return Decimal(value)
    return None


def _treatments(care_plan: Json) -> Iterator[Json]:
    if care_plan.get("status") != "active" or care_plan.get("intent") == "option":
        return
    for activity in care_plan.get("activity", []):
        detail = activity.get("detail", {})
        if _has(detail.get("code"), SNOMED, HEMODIALYSIS["code"]):
            yield detail


def _has(concept: Any, system: str, code: str) -> bool:
    codings = concept.get("coding", []) if isinstance(concept, dict) else []
    return any(one.get("system") == system and one.get("code") == code for one in codings)
