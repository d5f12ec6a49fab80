"""One machine that sends snapshot after snapshot, and remembers which of them were accepted."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from conformance.load.hl7v2.line import Line
from conformance.load.hl7v2.snapshot import Snapshot

_ACCEPTED = ("AA", "CA")


@dataclass(slots=True)
class Feed:
    """`patient` is whom the machine is used for, `run` makes its control ids its own."""

    patient: str
    snapshot: Snapshot
    line: Line
    run: str
    sent: int = 0
    accepted: set[int] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)

    async def send(self, due: float | None = None) -> None:
        """Send the next snapshot; its time counts from `due` (monotonic), when it should have been sent."""
        self.sent += 1
        number = self.sent
        control_id = f"{self.run}-{number}"
        begun = time.monotonic() if due is None else due
        message = self.snapshot.message(number, control_id, datetime.now(UTC))
        code = await self.line.deliver(message, control_id)
        self.took_s.append(time.monotonic() - begun)
        if code in _ACCEPTED:
            self.accepted.add(number)
        else:
            self.refused.append(f"{control_id}: {code}")

    async def as_fast_as_answered(self, until: float) -> None:
        """Send one after another until that moment (monotonic)."""
        while time.monotonic() < until:
            await self.send()

    async def evenly(self, begin: float, every_s: float, until: float) -> None:
        """Send one every `every_s` from `begin`; what is late is not left out, and its time counts from when it was due."""
        due = begin
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self.send(due)
            due += every_s
