"""What a scenario is: a disturbance of a home, with the truth a correct server must find.

A scenario changes a home only through `Stage`; every number it needs is a parameter.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Literal, Protocol

from simulator.devices.messages import Kind
from simulator.faults import NO_FAULTS, Faults
from simulator.physiology.person import Access, Person
from simulator.physiology.treatment import Treatment
from simulator.truth import Rebinding, Truth


class Stage(Protocol):
    """What a scenario may do to a home."""

    treatment: Treatment
    values: dict[str, int | float]
    limits: dict[str, dict[str, float]]
    mode: str
    clock_off: timedelta
    now: datetime

    @property
    def windows_hold(self) -> bool:
        """Whether the machine's pressure windows hold now: not while the blood flow is turned."""

    def since(self, moment: str) -> float | None:
        """Return the seconds since the first `moment`, None before it."""

    def set_window(self, below: float, above: float, *, settle: bool = False) -> None:
        """Set the machine's venous window (mm[Hg]), now or when the pressures are steady."""

    def mark(self, moment: str) -> None:
        """Note that `moment` is now."""

    def watch(
        self,
        source: str,
        *,
        low: float | None = None,
        high: float | None = None,
        mark: str,
        recovered: float | None = None,
    ) -> None:
        """Note `mark` when a reading of `source` is first beyond `low` or `high`, or is so again."""

    def measure_soon(self, after_s: float) -> None:
        """Let the cuff measure in `after_s` seconds."""

    def raise_alarm(
        self,
        event: str,
        priority: str,
        *,
        source: str | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> None:
        """Let the machine raise an alarm."""

    def end_alarms(self) -> None:
        """Let the machine end its alarms."""

    def fall_silent(self, how: Literal["hang", "cut"]) -> None:
        """Stop the machine's voice."""

    def speak_again(self) -> None:
        """Give it back."""

    def rinse_back(self) -> None:
        """End the treatment: blood is given back."""

    def rest(self) -> None:
        """Put the machine into idle: nobody is connected."""

    def say_broken(self, kind: Kind, text: str) -> None:
        """Send a numbered message with a wrong body."""

    def say_garbage(self, text: str) -> None:
        """Send something that is no message."""


class Scenario:
    """One disturbance; subclasses are dataclasses whose fields are its parameters.

    `number` is its place in the list, `name` the word that starts it, `title` says what happens.
    `access` is the kind of access it needs. It begins at the earliest `settle_min` minutes into the
    treatment and needs `needs_min` afterwards. It ends by itself `lasts_s` seconds after its onset
    (None: with the treatment) and then the treatment is over if `ends_treatment`.
    """

    number: ClassVar[int]
    name: str
    title: str
    access: Access | None = None
    settle_min: ClassVar[float] = 20.0
    needs_min: ClassVar[float] = 15.0
    lasts_s: float | None = None
    ends_treatment: ClassVar[bool] = False
    rebinds: Rebinding | None = None

    @property
    def truth(self) -> Truth:
        """What a correct server must do about it."""
        return Truth()

    def fitting(self, person: Person) -> Person:
        """Return the person this can happen to, made from the one the seed drew."""
        return person

    def network(self, onset_s: float) -> Faults:
        """Return what the network does around an onset `onset_s` seconds into the session."""
        return NO_FAULTS

    def begin(self, stage: Stage) -> None:
        """Called once when the scenario starts."""

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Called after each step of the home, `elapsed_s` seconds after the start."""

    def end(self, stage: Stage) -> None:
        """Put the home back in order."""
