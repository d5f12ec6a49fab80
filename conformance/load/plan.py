"""What a load run is to do, and against which server. Pure; nonsense is refused with a remedy."""

from dataclasses import dataclass
from typing import Final

from conformance.load import messages

# A machine in treatment that says nothing for long is an alarm of its own.
LONGEST_INTERVAL_S: Final = 10.0


class PlanError(ValueError):
    """The wishes contradict each other; the message says how to change them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. `rate` is observations a second over all devices, 0 for as fast as possible."""

    devices: int
    rate: float
    seconds: float
    values: int = 12
    samples: int = 1
    breaches_per_second: float = 0.0
    window: int = 4
    drain_s: float = 60.0
    verified: int = 3
    most_observations: int = 5_000_000

    def __post_init__(self) -> None:
        if self.devices < 1 or self.seconds <= 0 or self.rate < 0:
            raise PlanError("devices, rate and seconds are positive (rate may be 0)")
        if not 1 <= self.values <= messages.MOST_VALUES:
            raise PlanError(f"a message holds 1 to {messages.MOST_VALUES} values a sample")
        if self.samples < 1:
            raise PlanError("a message holds at least one sample")
        if self.rate and self.interval_s > LONGEST_INTERVAL_S:
            raise PlanError(
                f"each device would speak every {self.interval_s:.1f} s, and a machine in "
                f"treatment that is silent is an alarm: use at most "
                f"{int(LONGEST_INTERVAL_S * self.rate / self.a_message)} devices, or a higher rate"
            )
        if self.breaches_per_second < 0 or self.breaches > self.devices:
            raise PlanError(
                f"{self.breaches} breaches need as many devices: one patient's alarm rings once"
            )

    @property
    def a_message(self) -> int:
        """Observations a message holds."""
        return self.values * self.samples

    @property
    def interval_s(self) -> float:
        """Seconds between two messages of a device; only with a rate."""
        return self.devices * self.a_message / self.rate

    @property
    def breaches(self) -> int:
        """How many patients get into trouble."""
        return int(self.breaches_per_second * self.seconds)

    @property
    def most_messages(self) -> int:
        """The bound of every publishing loop."""
        wanted = self.most_observations
        if self.rate:
            wanted = min(wanted, round(self.rate * self.seconds))
        return max(1, wanted // self.a_message)


@dataclass(frozen=True, slots=True)
class Target:
    """The server under test; `phone` and `pid` may be missing, then those figures are too."""

    base: str
    mqtt: tuple[str, int]
    token: str
    phone: str | None = None
    pid: int | None = None

    def webhook(self, tenant: str) -> str:
        """Where people's text messages go."""
        root = self.base.rstrip("/").removesuffix("/fhir")
        return f"{root}/telephony/{tenant}/sms"
