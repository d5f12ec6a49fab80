"""Writes the patients and devices of a fleet into a running server and enrols them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from simulator import resources
from simulator.devices.identity import Identity
from simulator.fleet_order import FleetOrder, Share, gateways
from simulator.record import Record
from simulator.transports.connection import Credential

Json = dict[str, Any]

_AT_ONCE: Final = 4
_HOMES_TOGETHER: Final = 50
_TOLD_EVERY: Final = 1000


def device_id(name: str, hardware: Identity) -> str:
    """Return the id of a home's device."""
    return f"sim-{hardware.kind}-{name}"


def home_resources(name: str, hardware: Iterable[Identity]) -> list[Json]:
    """Return one home's patient, devices and bindings."""
    patient_id = f"sim-patient-{name}"
    made = [
        resources.patient(
            patient_id, "Sim", name.capitalize(), "unknown", "1960-01-01", "en", "+12025550199"
        )
    ]
    for device in hardware:
        identity = device_id(name, device)
        made.append(resources.device(identity, device))
        made.append(resources.in_use(f"{identity}-use", patient_id, identity))
    return made


async def enrol(record: Record, order: FleetOrder, say: Callable[[str], None]) -> list[Share]:
    """Write and enrol every home of `order`; `say` is told how far it is. Raises RecordError."""
    limit = asyncio.Semaphore(_AT_ONCE)
    written = 0

    async def write(pack: Sequence[str]) -> None:
        made = [one for name in pack for one in home_resources(name, order.hardware(name))]
        async with limit:
            await record.write_together(made)
        nonlocal written
        written += len(pack)
        if written % _TOLD_EVERY == 0:
            say(f"{written} of {len(names)} homes are written")

    async def share(hub: Identity | None, homes: tuple[tuple[int, str], ...]) -> Share:
        devices = [(name, one) for _, name in homes for one in order.hardware(name)]
        async with limit:
            if hub is None:
                own = {
                    one.eui64: _credential(await record.enroll(device_id(name, one)))
                    for name, one in devices
                }
                return Share(homes, None, own)
            identity = f"sim-gateway-{hub.serial.lower()}"
            await record.ensure(resources.device(identity, hub))
            behind = [device_id(name, one) for name, one in devices]
            return Share(homes, _credential(await record.enroll(identity, behind)), {})

    names = order.names
    packs = [names[at : at + _HOMES_TOGETHER] for at in range(0, len(names), _HOMES_TOGETHER)]
    await asyncio.gather(*(write(pack) for pack in packs))
    return list(await asyncio.gather(*(share(*group) for group in gateways(order))))


def _credential(answer: dict[str, str]) -> Credential:
    return Credential(answer["username"], answer["password"], answer["tenant"], answer["device"])
