"""Who was born, who came and who went: what births and states of connections leave behind."""

from collections.abc import Sequence

from adapters import births
from adapters.batch import Batch, Incoming
from adapters.mqtt.messages import Birth, Message, Rejected, Status
from fhirserver.kernel.readings import Contact, DeviceLimits
from fhirserver.kernel.telemetry import (
    EnrolledDevice,
    TelemetryTransaction,
)


def connected(decoded: Sequence[tuple[Incoming, Message | Rejected]]) -> set[str]:
    """Return who was born or came or went: their last births are needed."""
    return {one.topic.address for one, message in decoded if isinstance(message, Birth | Status)}


async def take_births(
    tx: TelemetryTransaction,
    state: Batch,
    decoded: Sequence[tuple[Incoming, Message | Rejected]],
) -> list[DeviceLimits]:
    """Store the births of known devices and return the limits machines have now."""
    born = [
        births.Born(device, message, incoming.received)
        for incoming, message in decoded
        if isinstance(message, Birth)
        and (device := state.devices.get(incoming.topic.address)) is not None
    ]
    limits = await births.take(tx, born, state.last_births) if born else []
    for one in born:
        state.births[one.device.address, one.birth.boot] = one.content
        state.last_births[one.device.address] = one.content
    return limits


async def hear_gateways(
    tx: TelemetryTransaction,
    state: Batch,
    decoded: Sequence[tuple[Incoming, Message | Rejected]],
) -> None:
    """Note of every device behind a gateway that its line is lost, or back."""
    told = [
        (gateway, message, incoming.received)
        for incoming, message in decoded
        if isinstance(message, Status)
        and (gateway := state.devices.get(incoming.topic.address)) is not None
        and gateway.behind
    ]
    if not told:
        return
    devices = await tx.devices({one for gateway, _, _ in told for one in gateway.behind})
    for gateway, status, received in told:
        for device in (devices[one] for one in gateway.behind if one in devices):
            state.contacts[device.address].append(Contact(
                tx.tenant, device.device, device.patient_at(received), None, status.online, received,
                simulated=False, by_gateway=True,
            ))  # fmt: skip


def hear(
    tx: TelemetryTransaction,
    state: Batch,
    incoming: Incoming,
    device: EnrolledDevice,
    status: Status,
) -> None:
    """Note that a device has come or gone."""
    birth = state.last_births.get(device.address, {})
    state.contacts[device.address].append(Contact(
        tx.tenant, device.device, device.patient_at(incoming.received), None, status.online, incoming.received,
        simulated=birth.get("sim") is True,
    ))  # fmt: skip
