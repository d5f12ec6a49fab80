"""From measures to FHIR Observations. Pure: builds the resource a template is made of.

A machine's measures follow the PoCD guide (Observation.device names a DeviceMetric), a cuff's the PHD guide and the R4
vital-signs profiles (LOINC and MDC side by side). What the device said is kept as it said it; our verdict on it lives
elsewhere (Flag, Provenance).
"""

from collections.abc import Sequence
from typing import Any, Final

from adapters.metrics import BLOOD_PRESSURE, DIASTOLIC, MEAN, METRICS, SYSTOLIC, Metric
from adapters.mqtt.messages import Event
from fhirserver.kernel import canonical
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import EFFECTIVE_MARK, value_mark

SERVER_DEVICE: Final = "Device/fhirserver"
BLOOD_PRESSURE_CODES: Final = (SYSTOLIC, DIASTOLIC, MEAN)

_BP_PANEL_LOINC: Final = "85354-9"
_GATEWAY: Final = "http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice"
_PHD_CATEGORY: Final = "http://hl7.org/fhir/uv/phd/CodeSystem/PhdObservationCategories"
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_MEASUREMENT_STATUS: Final = "http://hl7.org/fhir/uv/pocd/CodeSystem/measurement-status"
_VITAL_SIGNS: Final = "http://hl7.org/fhir/StructureDefinition/vitalsigns"
_BP: Final = "http://hl7.org/fhir/StructureDefinition/bp"
_HTEST: Final = {"system": canonical.ACT_REASON, "code": "HTEST", "display": "test health data"}


def measure(metric: Metric, device: str, patient: str | None, *, simulated: bool) -> Json:
    """Return the Observation of one measure, with one value mark."""
    body = _frame(metric, device, patient, simulated=simulated)
    body["valueQuantity"] = _quantity(metric, 0)
    return body


def absent(
    metric: Metric, device: str, patient: str | None, reason: str, *, simulated: bool
) -> Json:
    """Return the Observation of a measure the device says it could not take; `reason` is a data-absent-reason code."""
    body = _frame(metric, device, patient, simulated=simulated)
    body["dataAbsentReason"] = {"coding": [{"system": _ABSENT, "code": reason}]}
    return body


def blood_pressure(
    present: Sequence[str], device: str, patient: str | None, *, simulated: bool
) -> Json:
    """Return a blood-pressure panel with a value mark for each code of `present`, in order.

    Systolic and diastolic always stand in the panel; one the cuff did not send is marked absent.
    """
    body = _vital_frame(
        [
            {"system": canonical.LOINC, "code": _BP_PANEL_LOINC, "display": "Blood pressure panel"},
            {"system": canonical.MDC, "code": BLOOD_PRESSURE, "display": "MDC_PRESS_BLD_NONINV"},
        ],
        device,
        patient,
        profile=_BP,
        simulated=simulated,
    )
    components = []
    for code in BLOOD_PRESSURE_CODES:
        component: Json = {"code": {"coding": _codings(METRICS[code])}}
        if code in present:
            component["valueQuantity"] = _quantity(METRICS[code], present.index(code))
        elif code == MEAN:
            continue
        else:
            component["dataAbsentReason"] = {"coding": [{"system": _ABSENT, "code": "unknown"}]}
        components.append(component)
    body["component"] = components
    return body


def statuses(flags: Sequence[str]) -> list[Json]:
    """Return what a device says of its measurement, as interpretations; `flags` are codes of measurement-status."""
    return [{"coding": [{"system": _MEASUREMENT_STATUS, "code": one}]} for one in flags]


def device_event(
    event: Event, device: str, patient: str | None, effective: str, *, simulated: bool
) -> Json:
    """Return the Observation that records one alarm facet of a machine; `effective` is an instant."""
    body: Json = {
        "resourceType": "Observation",
        "status": "final",
        "category": [_category(canonical.OBSERVATION_CATEGORY, "procedure")],
        "code": {"coding": [{"system": canonical.MDC, "code": event.event}]},
        "effectiveDateTime": effective,
        "device": {"reference": f"Device/{device}"},
        "valueString": event.phase,
        "component": [
            _fact("68482", "MDC_ATTR_ALARM_STATE", {"valueString": event.state}),
            _fact("68483", "MDC_ATTR_ALARM_INACTIVATION_STATE", {"valueString": event.activity}),
        ],
    }
    if event.source is not None:
        source = {"coding": [{"system": canonical.MDC, "code": event.source}]}
        body["component"].append(
            _fact("68480", "MDC_ATTR_ALERT_SOURCE", {"valueCodeableConcept": source})
        )
        metric = METRICS.get(event.source)
        if event.value is not None and metric is not None:
            quantity = {
                "value": event.value,
                "unit": metric.unit,
                "system": canonical.UCUM,
                "code": metric.unit,
            }
            body["component"].append(
                {"code": {"coding": _codings(metric)}, "valueQuantity": quantity}
            )
    return _about(body, patient, simulated=simulated)


def _frame(metric: Metric, device: str, patient: str | None, *, simulated: bool) -> Json:
    if metric.loinc is not None:
        return _vital_frame(
            _codings(metric), device, patient, profile=_VITAL_SIGNS, simulated=simulated
        )
    body: Json = {
        "resourceType": "Observation",
        "status": "final",
        "category": [_category(canonical.OBSERVATION_CATEGORY, "procedure")],
        "code": {"coding": _codings(metric)},
        "effectiveDateTime": EFFECTIVE_MARK,
        "device": {"reference": measuring(metric, device)},
    }
    return _about(body, patient, simulated=simulated)


def _vital_frame(
    codings: list[Json], device: str, patient: str | None, *, profile: str, simulated: bool
) -> Json:
    body: Json = {
        "resourceType": "Observation",
        "extension": [{"url": _GATEWAY, "valueReference": {"reference": SERVER_DEVICE}}],
        "status": "final",
        "category": [
            _category(canonical.OBSERVATION_CATEGORY, "vital-signs"),
            _category(_PHD_CATEGORY, "phd"),
        ],
        "code": {"coding": codings},
        "effectiveDateTime": EFFECTIVE_MARK,
        "device": {"reference": f"Device/{device}"},
    }
    if patient is not None:
        body["meta"] = {"profile": [profile]}
    return _about(body, patient, simulated=simulated)


def _about(body: Json, patient: str | None, *, simulated: bool) -> Json:
    if patient is not None:
        body["subject"] = {"reference": f"Patient/{patient}"}
    if simulated:
        body.setdefault("meta", {})["security"] = [_HTEST]
    return body


def _codings(metric: Metric) -> list[Json]:
    loinc = [code for code in (metric.loinc, metric.beside) if code is not None]
    return [
        *({"system": canonical.LOINC, "code": one, "display": metric.display} for one in loinc),
        {"system": canonical.MDC, "code": metric.code, "display": metric.refid},
    ]


def _quantity(metric: Metric, position: int) -> Json:
    return {
        "value": value_mark(position),
        "unit": metric.unit,
        "system": canonical.UCUM,
        "code": metric.unit,
    }


def _category(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def _fact(code: str, refid: str, value: dict[str, Any]) -> Json:
    return {
        "code": {"coding": [{"system": canonical.MDC, "code": code, "display": refid}]},
        **value,
    }


def measuring(metric: Metric, device: str) -> str:
    """Return what an Observation of a measure names as its device: the DeviceMetric of a machine, or the cuff itself."""
    if metric.loinc is not None:
        return f"Device/{device}"
    return f"DeviceMetric/{metric_id(device, metric.code)}"


def metric_id(device: str, code: str) -> str:
    """Return the id of the DeviceMetric of a device's measure."""
    return f"{device[:48]}.{code}"
