"""What is told of devices: one happening for each connection (a device since its last start) and hour.

An event for every reading would tell nothing more and drown all others.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from fhirserver.kernel.audit import Actor, Happening
from fhirserver.kernel.telemetry import EnrolledDevice

# (tenant, address, boot): when the hour began that was told of last.
Told = dict[tuple[int, str, str], datetime]
_REMEMBERED: Final = 100_000


def untold(
    tenant: int,
    now: datetime,
    connections: Iterable[tuple[str, str]],
    devices: Mapping[str, EnrolledDevice],
    told: Told,
) -> Mapping[tuple[int, str, str], Happening]:
    """Return what to tell of `connections` (address, boot) that stored something at `now`: what `told` has not."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    found = {}
    for address, boot in connections:
        key = (tenant, address, boot)
        device = devices.get(address)
        if device is None or told.get(key) == hour:
            continue
        reference = f"Device/{device.device}"
        patient = device.patient_at(now)
        found[key] = Happening(
            tenant,
            "ingest",
            now,
            Actor(reference, "device"),
            patients=frozenset() if patient is None else frozenset({patient}),
            objects=(reference,),
        )
    return found


def remember(told: Told, keys: Iterable[tuple[int, str, str]], now: datetime) -> None:
    """Note what was told of, and committed, at `now`."""
    if len(told) >= _REMEMBERED:
        told.clear()
    hour = now.replace(minute=0, second=0, microsecond=0)
    told.update(dict.fromkeys(keys, hour))
