"""What a scenario is: a disturbance of a home, with the truth a correct server must find.

A scenario changes a home only through `Stage`; every number it needs is a parameter.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

from simulator.devices.messages import Kind
from simulator.physiology.treatment import Treatment
from simulator.truth import Truth


class Stage(Protocol):
    """What a scenario may do to a home."""

    treatment: Treatment
    values: dict[str, int | float]
    limits: dict[str, dict[str, float]]

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

    def say_broken(self, kind: Kind, text: str) -> None:
        """Send a numbered message with a wrong body."""

    def say_garbage(self, text: str) -> None:
        """Send something that is no message."""


class Scenario(Protocol):
    """One disturbance."""

    @property
    def number(self) -> int:
        """Its place in the list."""

    @property
    def name(self) -> str:
        """The word that starts it."""

    @property
    def title(self) -> str:
        """What happens, in plain words."""

    @property
    def truth(self) -> Truth:
        """What a correct server must do about it."""

    def begin(self, stage: Stage) -> None:
        """Called once when the scenario starts."""

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Called after each step of the home, `elapsed_s` seconds after the start."""

    def end(self, stage: Stage) -> None:
        """Put the home back in order."""
