"""Readings out of Observations that came over REST or in a bundle.

The stream of a bound device never passes here. `age` is receipt minus `effective`: there is no
monotonic clock to ask, so an old import is old and pages nobody. What claims to be of later than it
was received is of now: a wrong clock must not make true values late. `bound` is True only when
`Observation.device` names a device that is in use by exactly this patient, or when somebody typed the
value in while monitoring is armed; whatever else is typed in is evaluated, stored and shown, and
calls nobody. https://hl7.org/fhir/R4/observation.html
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from fhirserver.kernel.canonical import LOINC, MDC
from fhirserver.kernel.readings import Mode, Reading
from fhirserver.kernel.resource import Json
from subscriptions.core.parameters import BY_CODE, ucum
from subscriptions.core.rule_parts import moment

# MDC partition 3 holds events: such an Observation records an alarm, which is heard as an alarm.
_EVENT_PARTITION: Final = range(196_608, 262_144)
_MEASURED: Final = frozenset(("preliminary", "final", "amended", "corrected"))


def device_of(observation: Json) -> str | None:
    """Return the id of the Device an Observation names, None when it names none."""
    reference = observation.get("device", {}).get("reference", "")
    kind, _, identity = reference.partition("/")
    return identity if kind == "Device" and identity else None


def read_observation(
    observation: Json, *, patient: str, received: datetime, bound: bool, mode: Mode | None
) -> list[Reading]:
    """Return the readings an Observation carries: its value and those of its components.

    Nothing comes of an entered-in-error, cancelled or registered one, of one without a time, and of
    values that are no quantity or absent.
    """
    if observation.get("status") not in _MEASURED or _is_event(observation):
        return []
    stated = _effective(observation)
    if stated is None:
        return []
    effective = min(stated, received)
    simulated = any(
        label.get("code") == "HTEST" for label in observation.get("meta", {}).get("security", ())
    )
    return [
        Reading(
            patient=patient,
            device=device_of(observation) or "",
            code=code,
            value=value,
            unit=unit,
            effective=effective,
            received=received,
            age=max(0.0, (received - effective).total_seconds()),
            observation=str(observation.get("id", "")),
            mode=mode,
            bound=bound,
            simulated=simulated,
        )
        for code, value, unit in _values(observation)
    ]


def _is_event(observation: Json) -> bool:
    return any(
        coding.get("system") == MDC
        and str(coding.get("code")).isdecimal()
        and int(coding["code"]) in _EVENT_PARTITION
        for coding in observation.get("code", {}).get("coding", ())
    )


def _values(observation: Json) -> Iterator[tuple[str, Decimal, str]]:
    for element in (observation, *observation.get("component", ())):
        quantity = element.get("valueQuantity", {})
        number = quantity.get("value")
        code = _code(element.get("code", {}))
        unit = quantity.get("code") or quantity.get("unit")
        if code is None or unit is None or "comparator" in quantity:
            continue
        if isinstance(number, int | Decimal) and not isinstance(number, bool):
            yield code, Decimal(number), ucum(unit)


def _code(concept: Json) -> str | None:
    codings: list[dict[str, Any]] = [
        coding for coding in concept.get("coding", ()) if coding.get("code")
    ]
    for system in (MDC, LOINC):
        for coding in codings:
            if coding.get("system") == system and coding["code"] in BY_CODE:
                return str(coding["code"])
    return next(
        (str(coding["code"]) for coding in codings if coding.get("system") in (MDC, LOINC)), None
    )


def _effective(observation: Json) -> datetime | None:
    period = observation.get("effectivePeriod", {})
    text = (
        observation.get("effectiveDateTime")
        or observation.get("effectiveInstant")
        or period.get("end")
        or period.get("start")
    )
    return moment(text)
