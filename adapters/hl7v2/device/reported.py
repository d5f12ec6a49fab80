"""What a message says of one device, in the terms the ingest of readings knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.containment import Window
from adapters.mqtt.messages import Event, Telemetry

# The only boot of a device that is heard over HL7 v2: its messages have no numbers and no monotonic clock.
BOOT: Final = "hl7v2"


@dataclass(frozen=True, slots=True)
class MetricTold:
    """How a measure was sent: in which unit (UCUM), and beyond which values the device gives an alarm itself."""

    unit: str
    limits: Window | None


@dataclass(frozen=True, slots=True)
class PatientId:
    """One repetition of PID-3. It is compared with the patient the device is bound to, and never binds."""

    value: str
    authority: str | None
    type: str | None


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What a message says of the device with this `address` (an EUI-64 in capitals, without dashes).

    `told` holds every measure we know that was sent, with a value or without. `interval`: seconds between its messages.
    `orders`: what stood in OBR-3, by the id of the alarm.
    """

    address: str
    model: str | None
    serial: str | None
    told: Mapping[str, MetricTold]
    telemetry: tuple[Telemetry, ...]
    events: tuple[Event, ...]
    patients: tuple[PatientId, ...]
    interval: int
    test: bool
    orders: Mapping[str, str] = field(default_factory=dict)
