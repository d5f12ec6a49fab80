"""What implementation guides ask of Observations beyond FHIR R4, as far as it concerns what we make.

Their packages are not at hand, so their constraints stand here as facts: US Core 6.1
(https://hl7.org/fhir/us/core/STU6.1/profiles-and-extensions.html), Personal Health Device
(http://hl7.org/fhir/uv/phd) and Point-of-Care Device (https://hl7.org/fhir/uv/pocd).
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from fhirserver.kernel.canonical import ACT_REASON, LOINC, MDC, OBSERVATION_CATEGORY, UCUM
from fhirserver.kernel.resource import Json

# US Core vital signs: the codes that must all be there, with the units each may have.
VITALS: Final[dict[frozenset[str], tuple[str, ...]]] = {
    frozenset(("8867-4",)): ("/min",),
    frozenset(("9279-1",)): ("/min",),
    frozenset(("2708-6", "59408-5")): ("%",),
    frozenset(("8310-5",)): ("Cel", "[degF]"),
    frozenset(("29463-7",)): ("kg", "[lb_av]", "g"),
    # Alone they are of no special profile: the one of vital signs binds its codes extensibly.
    **{frozenset((one,)): ("mm[Hg]",) for one in ("8480-6", "8462-4", "8478-0")},
}
BLOOD_PRESSURE: Final = "85354-9"
PRESSURES: Final = ("8480-6", "8462-4")
_PHD: Final = "http://hl7.org/fhir/uv/phd/CodeSystem/PhdObservationCategories"
_GATEWAY: Final = "http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice"
_MEASUREMENT: Final = (
    "http://hl7.org/fhir/uv/pocd/CodeSystem/measurement-status",
    "http://terminology.hl7.org/CodeSystem/measurement-status",
)
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def vital_sign_faults(one: Json) -> Iterator[str]:
    """Yield what US Core and PHD would say against a vital sign that a device measured."""
    yield from _common(one)
    categories = _codes_of(one["category"])
    if (OBSERVATION_CATEGORY, "vital-signs") not in categories:
        yield "US Core: no category vital-signs"
    if [code for system, code in categories if system == _PHD] != ["phd"]:
        yield "PHD: category phd stands once"
    gateways = [e for e in one.get("extension", ()) if e["url"] == _GATEWAY]
    if len(gateways) != 1 or "valueReference" not in gateways[0]:
        yield "PHD: one gateway"
    if not one.get("device", {}).get("reference", "").startswith("Device/"):
        yield "PHD: no device"
    loinc = frozenset(code for system, code in _codes_of([one["code"]]) if system == LOINC)
    if not any(system == MDC for system, _ in _codes_of([one["code"]])):
        yield "PHD: no code of 11073"
    if BLOOD_PRESSURE in loinc:
        yield from _pressures(one)
    elif loinc in VITALS:
        yield from _value(one, VITALS[loinc])
    else:
        yield f"US Core: codes {sorted(loinc)}"


def machine_faults(one: Json) -> Iterator[str]:
    """Yield what PoCD would say against a measure of a machine."""
    yield from _common(one)
    if not one.get("device", {}).get("reference", "").startswith("DeviceMetric/"):
        yield "PoCD: no DeviceMetric"
    if [system for system, _ in _codes_of([one["code"]])][:1] != [MDC]:
        yield "PoCD: no code of 11073"
    yield from _value(one, None)


def laboratory_faults(one: Json) -> Iterator[str]:
    """Yield what US Core would say against a laboratory result."""
    if (OBSERVATION_CATEGORY, "laboratory") not in _codes_of(one.get("category", ())):
        yield "US Core: no category laboratory"
    if not one.get("code") or not one.get("status"):
        yield "US Core: no code or status"
    if not one.get("subject", {}).get("reference"):
        yield "US Core: nobody's"
    has_value = any(name.startswith("value") for name in one)
    if not has_value and not one.keys() & {"dataAbsentReason", "component", "hasMember"}:
        yield "us-core-2: neither a value nor why there is none"


def _common(one: Json) -> Iterator[str]:
    if one["status"] not in ("final", "preliminary", "amended", "corrected", "entered-in-error"):
        yield "PHD: status"
    if not one.get("subject", {}).get("reference", "").startswith("Patient/"):
        yield "US Core: nobody's"
    if _MOMENT.fullmatch(one.get("effectiveDateTime", "")) is None:
        yield "vs-1: when it was is known to the second"
    for interpretation in one.get("interpretation", ()):
        for coding in interpretation["coding"]:
            if coding["system"] not in _MEASUREMENT:
                yield "PHD: interpretation is of measurement-status"
    for label in one.get("meta", {}).get("security", ()):
        if (label["system"], label["code"]) != (ACT_REASON, "HTEST"):
            yield "PHD: test data are HTEST"


def _pressures(one: Json) -> Iterator[str]:
    parts = {
        code: part
        for part in one.get("component", ())
        for system, code in _codes_of([part["code"]])
        if system == LOINC
    }
    for code in PRESSURES:
        if code not in parts:
            yield f"us-core-blood-pressure: no component {code}"
        else:
            yield from _value(parts[code], ("mm[Hg]",))
    if any(name.startswith("value") for name in one):
        yield "us-core-blood-pressure: values stand in components"


def _value(one: Json, units: tuple[str, ...] | None) -> Iterator[str]:
    quantity: Any = one.get("valueQuantity")
    if quantity is None:
        if "dataAbsentReason" not in one:
            yield "vs-2: neither a value nor why there is none"
        return
    if "dataAbsentReason" in one:
        yield "obs-6: a value and why there is none"
    if quantity.keys() < {"value", "unit", "system", "code"} or quantity["system"] != UCUM:
        yield "US Core: a value has its unit in UCUM"
    elif units is not None and quantity["code"] not in units:
        yield f"US Core: unit {quantity['code']}"


def _codes_of(concepts: Any) -> list[tuple[str | None, str]]:
    return [(c.get("system"), c["code"]) for one in concepts for c in one.get("coding", ())]
