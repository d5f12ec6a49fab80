"""The Device and DeviceMetric resources a dialysis machine's birth message describes (PoCD containment). Pure.

MDS (the enrolled Device itself) > VMD > channels > metrics: https://hl7.org/fhir/uv/pocd. No patient stands on any of
them: a machine is shared over its life, its binding is a DeviceUseStatement.

The alarm limits a machine announces stand on its DeviceMetrics as reference ranges of type alarm-limits:
https://hl7.org/fhir/uv/pocd/StructureDefinition-reference-range.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from adapters.metrics import CHANNELS, MACHINE_VMD, METRICS, unit_of
from adapters.observation import metric_id
from fhirserver.kernel import canonical
from fhirserver.kernel.resource import Json

_CATEGORY_OF_SETTING: Final = "setting"
_RANGE: Final = "http://hl7.org/fhir/StructureDefinition/reference-range"
_RANGE_TYPES: Final = "http://hl7.org/fhir/uv/pocd/CodeSystem/reference-range-type"
_ALARM_LIMITS: Final = {
    "coding": [{"system": _RANGE_TYPES, "code": "alarm-limits", "display": "Alarm limits"}]
}


@dataclass(frozen=True, slots=True)
class Window:
    """The values a machine gives no alarm about; None is open, and one end is given."""

    low: Decimal | None
    high: Decimal | None


def windows(birth: Mapping[str, Any]) -> dict[str, Window]:
    """Return what a birth says of the machine's own limits, by code of a metric we know in its unit.

    What cannot be a window (no number at either end, or the low end above the high one) is left out.
    """
    found: dict[str, Window] = {}
    for code, told in birth.get("metrics", {}).items():
        if not _known(code, told) or METRICS[code].channel is None:
            continue
        limits = told.get("limits")
        if not isinstance(limits, dict):
            continue
        low, high = _number(limits.get("low")), _number(limits.get("high"))
        if (low is None and high is None) or (low is not None and high is not None and low >= high):
            continue
        found[code] = Window(low, high)
    return found


def renewed(known: Json | None, described: Json) -> Json:
    """Return a resource as the machine describes it now, with whatever else was written on it."""
    if known is None:
        return described
    kept = [one for one in known.get("extension", ()) if not _is_alarm_limits(one)]
    extensions = [*kept, *described.get("extension", ())]
    merged = {**known, **described, "extension": extensions}
    if not extensions:
        del merged["extension"]
    return merged


def resources(device: str, birth: dict[str, Any]) -> Iterator[Json]:
    """Yield the VMD, channels and metrics below ``Device/<device>``, parents first, each with its fixed id.

    Metrics we do not know, or that come in a unit that is not theirs, are left out: their readings are refused as well.
    """
    limits = windows(birth)
    metrics = [
        METRICS[code] for code, told in birth.get("metrics", {}).items() if _known(code, told)
    ]
    channels = sorted({metric.channel for metric in metrics if metric.channel is not None})
    vmd = f"{device[:48]}.{MACHINE_VMD}"
    if channels:
        yield _device(vmd, MACHINE_VMD, "Hemodialysis VMD", f"Device/{device}")
    for channel in channels:
        yield _device(
            f"{device[:48]}.{channel}", channel, CHANNELS[channel].display, f"Device/{vmd}"
        )
    for metric in metrics:
        if metric.channel is None:
            continue
        body: Json = {
            "resourceType": "DeviceMetric",
            "id": metric_id(device, metric.code),
            "type": {
                "coding": [{"system": canonical.MDC, "code": metric.code, "display": metric.refid}]
            },
            "unit": {"coding": [{"system": canonical.UCUM, "code": metric.unit}]},
            "source": {"reference": f"Device/{device}"},
            "parent": {"reference": f"Device/{device[:48]}.{metric.channel}"},
            "operationalStatus": "on",
            "category": _CATEGORY_OF_SETTING
            if metric.refid.endswith("_SETTING")
            else "measurement",
        }
        if metric.code in limits:
            body["extension"] = [_alarm_limits(limits[metric.code], metric.unit)]
        yield body


def _alarm_limits(window: Window, unit: str) -> Json:
    ends = [("low", window.low), ("high", window.high)]
    return {
        "url": _RANGE,
        "extension": [
            *(
                {
                    "url": name,
                    "valueQuantity": {
                        "value": value,
                        "unit": unit,
                        "system": canonical.UCUM,
                        "code": unit,
                    },
                }
                for name, value in ends
                if value is not None
            ),
            {"url": "type", "valueCodeableConcept": _ALARM_LIMITS},
        ],
    }


def _is_alarm_limits(extension: Mapping[str, Any]) -> bool:
    return extension.get("url") == _RANGE and any(
        coding.get("code") == "alarm-limits"
        for part in extension.get("extension", ())
        for coding in part.get("valueCodeableConcept", {}).get("coding", ())
    )


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value)


def _known(code: str, told: Any) -> bool:
    metric = METRICS.get(code)
    return metric is not None and unit_of(str(told.get("unit", metric.unit))) == metric.unit


def _device(id_: str, code: str, display: str, parent: str) -> Json:
    return {
        "resourceType": "Device",
        "id": id_,
        "status": "active",
        "type": {"coding": [{"system": canonical.MDC, "code": code, "display": display}]},
        "parent": {"reference": parent},
    }
