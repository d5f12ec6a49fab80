"""The Device and DeviceMetric resources a dialysis machine's birth message describes (PoCD containment). Pure.

MDS (the enrolled Device itself) > VMD > channels > metrics: https://hl7.org/fhir/uv/pocd. No patient stands on any of
them: a machine is shared over its life, its binding is a DeviceUseStatement.
"""

from collections.abc import Iterator
from typing import Any, Final

from adapters.metrics import CHANNELS, MACHINE_VMD, METRICS, unit_of
from adapters.observation import metric_id
from fhirserver.kernel import canonical
from fhirserver.kernel.resource import Json

_CATEGORY_OF_SETTING: Final = "setting"


def resources(device: str, birth: dict[str, Any]) -> Iterator[Json]:
    """Yield the VMD, channels and metrics below ``Device/<device>``, parents first, each with its fixed id.

    Metrics we do not know, or that come in a unit that is not theirs, are left out: their readings are refused as well.
    """
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
        yield body


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
