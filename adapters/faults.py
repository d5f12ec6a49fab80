"""What is wrong with what devices send, gathered while a batch is taken in.

A gap or a refused message is told each time it changes. A clock is told when it goes wrong and when it is right again,
and once for every device this process hears for the first time: what was told before it began is not known to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from adapters import streams
from adapters.clock import Timing
from fhirserver.kernel.readings import DeviceFault, FaultKind
from fhirserver.kernel.telemetry import EnrolledDevice, StreamKey, StreamState, TelemetryTransaction

_REMEMBERED: Final = 50_000

Holes = Mapping[StreamKey, list[tuple[int, int]]]


@dataclass(slots=True)
class Clocks:
    """Which clocks this process knows to be right or wrong, by tenant and address, and for which patient it was told."""

    known: dict[tuple[int, str], tuple[bool, str | None]] = field(default_factory=dict)

    def learn(self, tenant: int, told: Mapping[str, tuple[bool, str | None]]) -> None:
        """Remember what was told of clocks in a batch that is committed."""
        if len(self.known) > _REMEMBERED:
            self.known.clear()
        for address, state in told.items():
            self.known[tenant, address] = state


@dataclass(slots=True)
class BatchFaults:
    """The faults of one batch of one tenant."""

    tenant: int
    clocks: Clocks
    told: dict[str, tuple[bool, str | None]] = field(default_factory=dict)
    _found: dict[tuple[str, FaultKind], DeviceFault] = field(default_factory=dict)

    def clock(
        self, device: EnrolledDevice, sent: Timing, received: datetime, *, simulated: bool
    ) -> None:
        """Note how right the device's wall clock is, if that is news."""
        if sent.skew is None:
            return
        state = (sent.is_faulty, device.patient_at(received))
        known = self.told.get(device.address) or self.clocks.known.get(
            (self.tenant, device.address)
        )
        if state == known:
            return
        self.told[device.address] = state
        seconds = round(abs(sent.skew.total_seconds())) if sent.is_faulty else 0
        self._note(device, device.address, "clock", seconds, received, simulated=simulated)

    def refused(
        self, device: EnrolledDevice | None, address: str, kind: str, received: datetime
    ) -> None:
        """Note a message that was refused: of somebody's device, or an alarm of a device nobody knows."""
        if device is None and kind != "evt":
            return
        fault: FaultKind = "event" if kind == "evt" else "data"
        before = self._found.get((address, fault))
        amount = 1 if before is None else before.amount + 1
        self._note(device, address, fault, amount, received, simulated=False)

    async def gaps(
        self,
        tx: TelemetryTransaction,
        states: Mapping[StreamKey, StreamState],
        before: Holes,
        devices: Mapping[str, EnrolledDevice],
    ) -> None:
        """Record gaps that are new, mark those that are filled, and note how much is missing now."""
        for key, state in states.items():
            now = streams.holes(state.committed)
            if now == before[key]:
                continue
            for lo, hi in now:
                if (lo, hi) not in before[key]:
                    await tx.record_fault(key, f"gap-{key.kind}", lo, hi)
            await tx.mend_gaps(key, state.committed)
            device = devices.get(key.address)
            if device is not None:
                missing = sum(hi - lo + 1 for lo, hi in now)
                kind: FaultKind = "gap-evt" if key.kind == "evt" else "gap-tel"
                self._note(device, key.address, kind, missing, tx.now, simulated=False)

    async def found(self, tx: TelemetryTransaction) -> list[DeviceFault]:
        """Return the faults, each knowing whether its device is a simulator."""
        found = []
        for fault in self._found.values():
            simulated = fault.simulated
            if not simulated and fault.amount:
                simulated = await tx.is_simulator(fault.address)
            found.append(
                DeviceFault(
                    fault.device,
                    fault.address,
                    fault.patient,
                    fault.kind,
                    fault.amount,
                    fault.received,
                    simulated,
                )
            )
        return found

    def _note(
        self,
        device: EnrolledDevice | None,
        address: str,
        kind: FaultKind,
        amount: int,
        received: datetime,
        *,
        simulated: bool,
    ) -> None:
        self._found[address, kind] = DeviceFault(
            None if device is None else device.device,
            address,
            None if device is None else device.patient_at(received),
            kind,
            amount,
            received,
            simulated,
        )
