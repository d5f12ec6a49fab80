"""One home: a person, a dialysis machine and perhaps a cuff, advancing on a virtual clock.

Sans-IO: `tick` takes the time and returns what the devices want done (send this, cut the link); a
transport does it. Scenarios act on a home through its public methods.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from simulator import codes
from simulator.devices.alarms import AlarmPanel
from simulator.devices.messages import Kind, Message, Speaker
from simulator.physiology import constants as c
from simulator.physiology.treatment import Treatment
from simulator.scenarios.scenario import Scenario

UNITS = {metric.code: metric.unit for metric in codes.MACHINE_METRICS + codes.CUFF_METRICS}
MACHINE_UNITS = {metric.code: metric.unit for metric in codes.MACHINE_METRICS}
CUFF_UNITS = {metric.code: metric.unit for metric in codes.CUFF_METRICS}

Silence = Literal["hang", "cut"]


@dataclass(frozen=True, slots=True)
class Send:
    """Publish `message` of the device `eui64`."""

    eui64: str
    message: Message


@dataclass(frozen=True, slots=True)
class CutLink:
    """Drop the device's connection without a goodbye, so that the broker sends its last will."""

    eui64: str


@dataclass(frozen=True, slots=True)
class RestoreLink:
    """Let the device connect again."""

    eui64: str


Command = Send | CutLink | RestoreLink


class Home:
    """The devices of one home and the treatment they watch."""

    def __init__(
        self,
        name: str,
        treatment: Treatment,
        machine: Speaker,
        cuff: Speaker | None,
        *,
        started: datetime,
        mono_ms: int = 0,
    ) -> None:
        """`started`: when the treatment began (device time); `mono_ms`: the devices' uptime now."""
        self.name = name
        self.treatment = treatment
        self.machine = machine
        self.cuff = cuff
        self.alarms = AlarmPanel()
        self.mode = "TX"
        self.session = f"{machine.identity.eui64}{started:%Y%m%d%H%M%S}"
        self.scenario: Scenario | None = None
        self.scenario_s = 0.0
        self.values = treatment.readings()
        self.limits = self._centred_limits()
        self._silence: Silence | None = None
        self._mono_ms = float(mono_ms)
        self._now = started
        self._machine_due_s = 0.0
        self._cuff_due_s = 0.0
        self._queue: list[Command] = []

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """The devices of this home."""
        return (self.machine,) if self.cuff is None else (self.machine, self.cuff)

    @property
    def silent(self) -> bool:
        """Whether the machine says nothing."""
        return self._silence is not None

    def birth(self, eui64: str, now: datetime) -> Message:
        """The birth message of the device `eui64` as of `now`, with the limits in force."""
        if self.cuff is not None and self.cuff.identity.eui64 == eui64:
            return self._birth(self.cuff, now, CUFF_UNITS)
        return self._birth(self.machine, now, MACHINE_UNITS)

    def tick(self, dt_s: float, now: datetime) -> list[Command]:
        """Advance by `dt_s` seconds to the wall-clock time `now`; return what the devices want
        done.
        """
        self._now = now
        self._mono_ms += dt_s * 1000.0
        self.treatment.step(dt_s)
        self.values = self.treatment.readings()
        if self.scenario is not None:
            self.scenario_s += dt_s
            self.scenario.step(self, self.scenario_s, dt_s)
        for facets in self.alarms.keep_alive(dt_s):
            self._event(facets)
        self._machine_due_s -= dt_s
        if self._machine_due_s <= 1e-9:
            self._machine_due_s += self.machine.identity.interval_s
            self._say(
                lambda: self.machine.telemetry(
                    now,
                    int(self._mono_ms),
                    self.values,
                    mode=self.mode,
                    session=self.session,
                )
            )
        self._measure_pressure(dt_s, now)
        commands, self._queue = self._queue, []
        return commands

    def begin(self, scenario: Scenario) -> None:
        """Start `scenario`; one that still runs is ended first."""
        self.finish()
        self.scenario = scenario
        self.scenario_s = 0.0
        scenario.begin(self)

    def finish(self) -> None:
        """End the running scenario, if any; the treatment goes on."""
        if self.scenario is not None:
            scenario, self.scenario = self.scenario, None
            scenario.end(self)

    def raise_alarm(
        self,
        event: str,
        priority: str,
        *,
        source: str | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> None:
        """Let the machine say that `event` began; the value of `source` rides along."""
        self._event(
            self.alarms.start(
                event,
                priority,
                source=source,
                value=None if source is None else self.values.get(source),
                unit=None if source is None else UNITS.get(source),
                limits=limits,
            )
        )

    def end_alarms(self) -> None:
        """Let the machine say that every alarm is over."""
        for facets in self.alarms.end_all():
            self._event(facets)

    def fall_silent(self, how: Silence) -> None:
        """Stop the machine's voice: `hang` keeps the connection open, `cut` drops it."""
        self._silence = how
        if how == "cut":
            self._queue.append(CutLink(self.machine.identity.eui64))

    def speak_again(self) -> None:
        """Give the machine its voice back."""
        if self._silence == "cut":
            self._queue.append(RestoreLink(self.machine.identity.eui64))
        self._silence = None

    def say_broken(self, kind: Kind, text: str) -> None:
        """Let the machine send `text` as a numbered message, however wrong it is."""
        self._say(lambda: self.machine.broken(kind, text, self._now, int(self._mono_ms)))

    def say_garbage(self, text: str) -> None:
        """Let the machine send `text` outside any numbering: nobody could read a number in it."""
        self._say(lambda: Message("tel", None, text.encode()))

    def _centred_limits(self) -> dict[str, dict[str, float]]:
        # Machines centre the venous window on the running pressure and not on a textbook value.
        venous = self.values[codes.VENOUS_PRESSURE]
        return {
            codes.VENOUS_PRESSURE: {
                "low": round(venous - c.VENOUS_LIMIT_BELOW),
                "high": round(venous + c.VENOUS_LIMIT_ABOVE),
            },
            codes.ARTERIAL_PRESSURE: {
                "low": round(c.ARTERIAL_LIMIT_LOW),
                "high": round(c.ARTERIAL_LIMIT_HIGH),
            },
            codes.TRANSMEMBRANE_PRESSURE: {
                "low": round(c.TRANSMEMBRANE_LIMIT_LOW),
                "high": round(c.TRANSMEMBRANE_LIMIT_HIGH),
            },
        }

    def _birth(self, speaker: Speaker, now: datetime, units: Mapping[str, str]) -> Message:
        limits = {code: self.limits[code] for code in units if code in self.limits}
        return speaker.birth(now, int(self._mono_ms), units, limits)

    def _measure_pressure(self, dt_s: float, now: datetime) -> None:
        if self.cuff is None:
            return
        self._cuff_due_s -= dt_s
        if self._cuff_due_s > 1e-9:
            return
        self._cuff_due_s += self.cuff.identity.interval_s
        pressure = self.treatment.blood_pressure()
        values = {
            codes.SYSTOLIC: pressure.systolic,
            codes.DIASTOLIC: pressure.diastolic,
            codes.MEAN_PRESSURE: pressure.mean,
            codes.PULSE: pressure.pulse,
        }
        message = self.cuff.telemetry(now, int(self._mono_ms), values, mode=None, session=None)
        self._queue.append(Send(self.cuff.identity.eui64, message))

    def _event(self, facets: dict[str, object]) -> None:
        self._say(lambda: self.machine.event(self._now, int(self._mono_ms), facets))

    def _say(self, build: Callable[[], Message]) -> None:
        # A machine that hangs takes no numbers either: the gap is one of time, not of sequence.
        if self._silence is None:
            self._queue.append(Send(self.machine.identity.eui64, build()))


def started_before(now: datetime, elapsed_min: float) -> datetime:
    """Return when a treatment that has run for `elapsed_min` began."""
    return now - timedelta(minutes=elapsed_min)
