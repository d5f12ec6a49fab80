"""OBX of what was observed: an Observation is one line, one with components a line for each of them.

https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-obx-to-observation.html, read the other way round; status
codes of OBX-8 as the PoCD guide maps them (https://hl7.org/fhir/uv/pocd).
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from fhirserver.kernel.canonical import ACT_REASON, LOINC, MDC, SNOMED, UCUM
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.building import Components, Repeated, Value, components, repeated
from subscriptions.core.hl7v2.machine import Origin, mdc_of
from subscriptions.core.hl7v2.moments import dtm

_SYSTEMS: Final = {MDC: "MDC", LOINC: "LN", SNOMED: "SCT", UCUM: "UCUM"}
_STATUS_SYSTEMS: Final = (
    "http://hl7.org/fhir/uv/pocd/CodeSystem/measurement-status",
    "http://terminology.hl7.org/CodeSystem/measurement-status",
)
_INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_STATUSES: Final = {
    "questionable": "QUES",
    "calibration-ongoing": "CAL",
    "msmt-ongoing": "ONGO",
    "early-indication": "EARLY",
    "validated-data": "VALID",
    "in-alarm": "ALACT",
    "alarm-inhibited": "ALINH",
}
_FLAGS: Final = frozenset(("N", "A", "AA", "L", "LL", "H", "HH"))
_ABSENT: Final = {
    "error": "INV",
    "not-performed": "NAV",
    "not-permitted": "NAV",
    "not-a-number": "NAN",
}
_UNKNOWN: Final = "UNK"
# OBX-11 (table 0085) by Observation.status.
_RESULTS: Final = {
    "registered": "I",
    "preliminary": "P",
    "final": "F",
    "amended": "C",
    "corrected": "C",
    "cancelled": "X",
    "entered-in-error": "W",
}
_ALARM_RANGE: Final = "http://hl7.org/fhir/StructureDefinition/reference-range"
_COMPARATORS: Final = ("<", "<=", ">", ">=")
_AUTOMATIC: Final = components("AMEAS", "auto-measurement", "MDC")

Fields = dict[int, Value]


def measures(observation: Json, origin: Origin) -> Iterator[Fields]:
    """Yield the fields of each line of `observation`, but for OBX-1 and OBX-4; nothing where nothing was observed."""
    common: Fields = {
        11: _RESULTS.get(observation.get("status", ""), "F"),
        14: _moment(observation),
        17: _method(origin),
    }
    for part in (observation, *observation.get("component", ())):
        value = _value(part)
        absent = part.get("dataAbsentReason")
        if value is None and absent is None:
            continue
        line: Fields = {**common, 3: code_of(part.get("code", {})), 8: _status(part, observation)}
        if value is None:
            yield {**line, 11: "X"}
        else:
            yield {**line, **value, 7: _limits(part, origin)}


def code_of(concept: Json) -> Components:
    """Return a concept: the code of 11073 first where there is one, then another; else its text."""
    codings = [one for one in concept.get("coding", ()) if "code" in one]
    codings.sort(key=lambda one: one.get("system") != MDC)
    triplets = [
        part for one in codings[:2] for part in (one["code"], one.get("display"), _system(one))
    ]
    if not triplets:
        return components(None, concept.get("text"))
    return components(*triplets)


def _system(coding: Json) -> str | None:
    """Return a code system by its name in HL7 v2; one that has none is told by what it is written like here."""
    return _SYSTEMS.get(coding["system"], "99FHIR") if "system" in coding else None


def number(value: Any) -> str:
    """Return a number with the digits it has."""
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def units(quantity: Json) -> Components | None:
    """Return the unit of a quantity: its code of UCUM, else what it is called."""
    if quantity.get("system") == UCUM and "code" in quantity:
        return components(quantity["code"], quantity.get("unit"), "UCUM")
    return components(None, quantity["unit"]) if "unit" in quantity else None


def alarm_limits(metric: Json | None) -> str | None:
    """Return the limits beyond which a machine gives an alarm, as its DeviceMetric has them: ``122-262``, ``>30``."""
    for extension in () if metric is None else metric.get("extension", ()):
        parts = {part.get("url"): part for part in extension.get("extension", ())}
        kind = parts.get("type", {}).get("valueCodeableConcept", {}).get("coding", ())
        is_alarm = any(one.get("code") == "alarm-limits" for one in kind)
        if extension.get("url") == _ALARM_RANGE and is_alarm:
            ends = (parts.get(name, {}).get("valueQuantity", {}) for name in ("low", "high"))
            return _range(*ends)
    return None


def _limits(part: Json, origin: Origin) -> str | None:
    limits = alarm_limits(origin.metric)
    if limits is not None:
        return limits
    for one in part.get("referenceRange", ()):
        return _range(one.get("low", {}), one.get("high", {})) or one.get("text")
    return None


def _range(low: Mapping[str, Any], high: Mapping[str, Any]) -> str | None:
    below, above = low.get("value"), high.get("value")
    if below is not None and above is not None:
        return f"{number(below)}-{number(above)}"
    if below is not None:
        return f">{number(below)}"
    return None if above is None else f"<{number(above)}"


def _value(part: Json) -> Fields | None:
    """Return OBX-2, OBX-5 and OBX-6; None where there is no value that HL7 v2 could carry."""
    if "valueQuantity" in part:
        return _quantity(part["valueQuantity"])
    if "valueInteger" in part:
        return {2: "NM", 5: number(part["valueInteger"])}
    if "valueCodeableConcept" in part:
        return {2: "CWE", 5: code_of(part["valueCodeableConcept"])}
    if "valueBoolean" in part:
        return {2: "ST", 5: "true" if part["valueBoolean"] else "false"}
    if "valueString" in part:
        return {2: "ST", 5: str(part["valueString"])}
    if "valueDateTime" in part:
        return {2: "DTM", 5: dtm(part["valueDateTime"])}
    if "valueTime" in part:
        return {2: "TM", 5: str(part["valueTime"]).replace(":", "")}
    return None


def _quantity(quantity: Json) -> Fields | None:
    if "value" not in quantity:
        return None
    written = number(quantity["value"])
    comparator = quantity.get("comparator")
    if comparator in _COMPARATORS:
        return {2: "SN", 5: components(comparator, written), 6: units(quantity)}
    return {2: "NM", 5: written, 6: units(quantity)}


def _status(part: Json, whole: Json) -> Repeated:
    codes: dict[str, None] = {}
    if "dataAbsentReason" in part:
        reasons = part["dataAbsentReason"].get("coding", ())
        code = next((one.get("code", "") for one in reasons), "")
        codes[_ABSENT.get(code, _UNKNOWN)] = None
    concepts = [*part.get("interpretation", ())]
    if part is not whole:
        concepts += whole.get("interpretation", ())
    for coding in (one for concept in concepts for one in concept.get("coding", ())):
        system, code = coding.get("system"), coding.get("code", "")
        if system in _STATUS_SYSTEMS and code in _STATUSES:
            codes[_STATUSES[code]] = None
        elif system == _INTERPRETATION and code in _FLAGS:
            codes[code] = None
    return repeated(*codes)


def _moment(observation: Json) -> str | None:
    period = observation.get("effectivePeriod", {})
    return dtm(
        observation.get("effectiveDateTime")
        or observation.get("effectiveInstant")
        or period.get("start")
    )


def _method(origin: Origin) -> Components | None:
    """Return how it was measured: by the device itself; how somebody set a setting is not known."""
    if origin.machine is None:
        return None
    is_setting = origin.metric is not None and origin.metric.get("category") == "setting"
    return None if is_setting else _AUTOMATIC


def is_of_11073(observation: Json) -> bool:
    """Return whether an Observation speaks in codes of 11073, as IHE PCD-01 wants it."""
    concepts = [
        observation.get("code"),
        *(one.get("code") for one in observation.get("component", ())),
    ]
    return any(mdc_of(concept) is not None for concept in concepts)


def is_test(resource: Json) -> bool:
    """Return whether a resource is test data."""
    labels = resource.get("meta", {}).get("security", ())
    return any(one.get("system") == ACT_REASON and one.get("code") == "HTEST" for one in labels)
