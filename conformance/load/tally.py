"""What was sent and acknowledged so far, for progress lines and the final figures."""

from collections import defaultdict
from dataclasses import dataclass, field

from conformance.load.device import Device
from conformance.load.messages import Kind
from conformance.load.outbox import Kept


@dataclass(slots=True)
class Tally:
    """Implements `Listener`. Latencies are seconds from when a message was due to its acknowledgement.

    `latencies` and the two counters are of the measured stage; `acknowledged_readings` and
    `stored` are of the whole run, by device name.
    """

    messages: int = 0
    observations: int = 0
    rejected: int = 0
    latencies: list[float] = field(default_factory=list)
    last_at: float = 0.0
    acknowledged_readings: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    stored: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def acknowledged(self, device: Device, kind: Kind, settled: list[Kept], now: float) -> None:
        """See `Listener`."""
        name = device.voice.device
        self.last_at = now
        for one in settled:
            self.messages += 1
            self.latencies.append(now - one.made)
            if one.rejected:
                self.rejected += 1
                continue
            self.observations += one.observations
            self.stored[name] += one.observations
            self.acknowledged_readings[name].update(one.readings)

    def start(self) -> None:
        """Begin the measured stage: forget figures, keep what was stored."""
        self.messages = self.observations = self.rejected = 0
        self.latencies.clear()
