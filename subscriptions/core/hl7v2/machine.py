"""The device that measured: its EUI-64, kind, model and serial number, and where in it a measure belongs.

https://hl7.org/fhir/uv/pocd: a machine (MDS) holds modules (VMD), these channels, these metrics. R4 resources name each
by its code; the reference ids beside them are of ISO/IEEE 11073-10101.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fhirserver.kernel.canonical import DEVICE_EUI64, MDC
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.building import Components, components
from fhirserver.wire.hl7v2.nomenclature import CHANNELS, CONTAINERS, MODULE
from subscriptions.core.hl7v2.told import Told

_EUI64: Final = re.compile(r"[0-9A-F]{16}")


@dataclass(frozen=True, slots=True)
class Machine:
    """A device. `name` is its id here; `type` an MDC code, None where nothing says one."""

    name: str
    eui64: str | None
    type: str | None
    model: str | None
    serial: str | None

    @property
    def model_and_serial(self) -> str | None:
        """Return ``model/serial``, None unless both are known."""
        if self.model is None or self.serial is None:
            return None
        return f"{self.model}/{self.serial}"

    @property
    def identity(self) -> Components | None:
        """Return its EUI-64 as OBX-18 has it."""
        if self.eui64 is None:
            return None
        return components(self.eui64, None, self.eui64, "EUI-64")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a measure comes from: the machine, its channel (an MDC code), and the DeviceMetric, as far as known."""

    machine: Machine | None
    channel: str | None
    metric: Json | None

    @property
    def module(self) -> str | None:
        """Return the MDC code of the module (VMD) that the channel is of."""
        return None if self.channel is None else MODULE


def origin_of(observation: Json, around: Told) -> Origin:
    """Return where `observation` comes from, by its device, which may be a DeviceMetric of one."""
    reference = observation.get("device")
    found = around.find(reference)
    if found is None:
        return Origin(None, None, None)
    if found["resourceType"] != "DeviceMetric":
        return Origin(machine_of(found), None, None)
    source = around.find(found.get("source"))
    channel = around.find(found.get("parent"))
    code = None if channel is None else mdc_of(channel.get("type"))
    machine = None if source is None else machine_of(source)
    return Origin(machine, code if code in CHANNELS else None, found)


def machine_of(device: Json) -> Machine:
    """Return what a Device says of itself."""
    identifiers = device.get("identifier", ())
    dashed = next(
        (one.get("value") for one in identifiers if one.get("system") == DEVICE_EUI64), None
    )
    plain = str(dashed or "").upper().replace("-", "").replace(":", "")
    return Machine(
        str(device.get("id", "")),
        plain if _EUI64.fullmatch(plain) else None,
        mdc_of(device.get("type")),
        device.get("modelNumber"),
        device.get("serialNumber"),
    )


def mdc_of(concept: Any) -> str | None:
    """Return the code of 11073-10101 in a CodeableConcept."""
    codings = concept.get("coding", ()) if isinstance(concept, Mapping) else ()
    return next(
        (str(one["code"]) for one in codings if one.get("system") == MDC and "code" in one), None
    )


def container(code: str) -> Components:
    """Return a device, module or channel as OBX-3 has it."""
    return components(code, CONTAINERS.get(code), "MDC")
