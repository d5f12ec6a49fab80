"""One home: a person, a dialysis machine and perhaps a cuff, advancing on a virtual clock.

Sans-IO: `tick` takes the time and returns what the devices want done (send this, cut the link); a
transport does it. Scenarios act on a home through its public methods.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from simulator import codes
from simulator.devices.alarms import AlarmPanel
from simulator.devices.cuff_habit import CuffHabit
from simulator.devices.messages import Kind, Message, Speaker
from simulator.devices.protection import Protection, Raise, StopPump, centred
from simulator.physiology import constants as c
from simulator.physiology.treatment import Treatment
from simulator.scenarios.scenario import Scenario

UNITS: Final = {metric.code: metric.unit for metric in codes.MACHINE_METRICS + codes.CUFF_METRICS}
MACHINE_UNITS: Final = {metric.code: metric.unit for metric in codes.MACHINE_METRICS}
CUFF_UNITS: Final = {metric.code: metric.unit for metric in codes.CUFF_METRICS}
_TREATS: Final = float(c.BLOOD_FLOW_TREATS)

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


@dataclass(slots=True)
class _Watched:
    source: str
    low: float | None
    high: float | None
    mark: str
    recovered: float | None
    before: bool = False

    def beyond(self, value: float) -> bool:
        return (self.low is not None and value < self.low) or (
            self.high is not None and value > self.high
        )


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
        habit: CuffHabit | None = None,
        mode: str = "TX",
    ) -> None:
        """`started`: when the treatment began (device time); `mono_ms`: the devices' uptime now.

        `habit` says when the cuff measures, its interval by default. A home in `mode` PRETX starts
        to treat when `connect` is called; the pump stands until then.
        """
        self.name = name
        self.treatment = treatment
        self.machine = machine
        self.cuff = cuff
        self.alarms = AlarmPanel()
        self.mode = mode
        self.session: str | None = f"{machine.identity.eui64}{started:%Y%m%d%H%M%S}"
        self.scenario: Scenario | None = None
        self.scenario_s = 0.0
        self.values: dict[str, Any] = treatment.readings()
        self.window = (float(c.VENOUS_LIMIT_BELOW), float(c.VENOUS_LIMIT_ABOVE))
        self.limits = centred(self.values)
        self._running_venous = float(self.values[codes.VENOUS_PRESSURE])
        self.protection = Protection(settled=treatment.elapsed_s > 0)
        self.clock_off = timedelta()
        self.marks: list[tuple[str, datetime]] = []
        self._first: dict[str, datetime] = {}
        self._watched: list[_Watched] = []
        self.now = started
        self._habit = habit
        self._silence: Silence | None = None
        self._mono_ms = float(mono_ms)
        self._mono_at: datetime | None = None
        self._machine_due_s = 0.0
        self._machine_every_s = machine.identity.interval_s
        self._cuff_due_s = 0.0
        self._queue: list[Command] = []
        if mode == "PRETX":
            treatment.circuit.pump_on = False

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """The devices of this home."""
        return (self.machine,) if self.cuff is None else (self.machine, self.cuff)

    @property
    def silent(self) -> bool:
        """Whether the machine says nothing."""
        return self._silence is not None

    @property
    def windows_hold(self) -> bool:
        """Whether the machine's pressure windows hold now: not while the blood flow is turned."""
        return self.mode == "TX" and self.protection.armed

    def birth(self, eui64: str, now: datetime) -> Message:
        """The birth message of the device `eui64` as of `now`, with the limits in force."""
        self._live_until(now, 0.0)
        if self.cuff is not None and self.cuff.identity.eui64 == eui64:
            return self._birth(self.cuff, now, CUFF_UNITS)
        return self._birth(self.machine, now, MACHINE_UNITS)

    def _live_until(self, now: datetime, dt_s: float) -> None:
        """Let the devices' uptime go on to `now`: it does so too while nobody moves the home."""
        if self._mono_at is not None:
            dt_s = max(0.0, (now - self._mono_at).total_seconds())
        self._mono_ms += dt_s * 1000.0
        self._mono_at = now

    def tick(self, dt_s: float, now: datetime) -> list[Command]:
        """Advance by `dt_s` seconds to the wall-clock time `now`; return what the devices want
        done.
        """
        self.now = now
        self._live_until(now, dt_s)
        treatment = self.treatment
        treatment.step(dt_s, treating=self.mode == "TX")
        values = self.values = treatment.readings()
        if self._watched:
            self._look(values)
        if self.scenario is not None:
            self.scenario_s += dt_s
            self.scenario.step(self, self.scenario_s, dt_s)
        self._go_on(dt_s)
        if self.mode == "TX":
            self._protect(dt_s)
        if self.alarms:
            for facets in self.alarms.keep_alive(dt_s):
                self._event(facets)
        self._machine_due_s -= dt_s
        if self._machine_due_s <= 1e-9:
            self._machine_due_s += self._machine_every_s
            if self._silence is None:
                message = self.machine.telemetry(
                    now + self.clock_off,
                    int(self._mono_ms),
                    values,
                    mode=self.mode,
                    session=self.session,
                )
                self._queue.append(Send(self.machine.identity.eui64, message))
        if self.cuff is not None:
            self._cuff_due_s -= dt_s
            if self._cuff_due_s <= 1e-9:
                self._measure_pressure(self.cuff, now)
        commands, self._queue = self._queue, []
        return commands

    def connect(self) -> None:
        """Start the blood pump of a prepared machine: it treats when enough blood flows."""
        self.treatment.circuit.pump_on = True

    def rinse_back(self) -> None:
        """End the treatment: blood is given back slowly."""
        self.mode = "POSTTX"
        self.treatment.circuit.flow_ordered = float(c.BLOOD_FLOW_RINSE)

    def rest(self) -> None:
        """Stop the pump of a machine nobody is connected to any more."""
        self.mode = "IDL"
        self.treatment.circuit.pump_on = False

    def begin(self, scenario: Scenario) -> None:
        """Start `scenario`; one that still runs is ended first."""
        self.finish()
        self.scenario = scenario
        self.scenario_s = 0.0
        self.mark("start")
        scenario.begin(self)

    def finish(self) -> None:
        """End the running scenario, if any; the treatment goes on."""
        if self.scenario is not None:
            scenario, self.scenario = self.scenario, None
            scenario.end(self)

    def mark(self, moment: str) -> None:
        """Note that `moment` is now: the golden list counts from such moments."""
        self.marks.append((moment, self.now))
        self._first.setdefault(moment, self.now)

    def watch(
        self,
        source: str,
        *,
        low: float | None = None,
        high: float | None = None,
        mark: str,
        recovered: float | None = None,
    ) -> None:
        """Note `mark` once, when a reading of `source` is first beyond `low` or `high`.

        With `recovered` it takes a second one below `low`, and none of `recovered` or more between.
        """
        self._watched.append(_Watched(source, low, high, mark, recovered))

    def raise_alarm(
        self,
        event: str,
        priority: str,
        *,
        source: str | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> None:
        """Let the machine say that `event` began; the value of `source` rides along."""
        if not self.alarms.active(event, source):
            self.mark(f"event:{event}")
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
        """Let the machine say that every alarm is over; it may raise the same ones again."""
        for facets in self.alarms.end_all():
            self._event(facets)
        self.protection.reset()

    def set_window(self, below: float, above: float, *, settle: bool = False) -> None:
        """Set the machine's venous window (mm[Hg] under and over the running pressure).

        It holds at once, or, with `settle`, when the pressures are steady again.
        """
        self.window = (below, above)
        if settle:
            self.protection.unsettle()
        else:
            self._centre()

    def since(self, moment: str) -> float | None:
        """Return the seconds since the first `moment`, None before it."""
        first = self._first.get(moment)
        return None if first is None else (self.now - first).total_seconds()

    def measure_soon(self, after_s: float) -> None:
        """Let the cuff measure `after_s` seconds from now, and by its habit afterwards."""
        self._cuff_due_s = after_s

    def speak_in(self, after_s: float) -> None:
        """Let the machine say its values `after_s` seconds from now, then by its interval."""
        self._machine_due_s = after_s

    def fall_silent(self, how: Silence) -> None:
        """Stop the machine's voice: `hang` keeps the connection open, `cut` drops it."""
        self.mark("silence")
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
        self._say(lambda: self.machine.broken(kind, text, self._device_now, int(self._mono_ms)))

    def say_garbage(self, text: str) -> None:
        """Let the machine send `text` outside any numbering: nobody could read a number in it."""
        self._say(lambda: Message("tel", None, text.encode()))

    @property
    def _device_now(self) -> datetime:
        return self.now + self.clock_off

    def _go_on(self, dt_s: float) -> None:
        circuit = self.treatment.circuit
        nearer = min(1.0, dt_s / c.CENTRING_AVERAGE)
        self._running_venous += nearer * (self.values[codes.VENOUS_PRESSURE] - self._running_venous)
        if self.mode == "PRETX":
            if circuit.blood_flow >= _TREATS:
                self.mode = "TX"
        elif self.mode == "TX" and self.protection.recentring_due(
            circuit.flow_wanted, circuit.blood_flow, dt_s
        ):
            self._centre()
            # Whoever watches beside the machine must know what it watches for now.
            self._say(lambda: self._birth(self.machine, self.now, MACHINE_UNITS))

    def _centre(self) -> None:
        below, above = self.window
        running = {**self.values, codes.VENOUS_PRESSURE: self._running_venous}
        self.limits = centred(running, below=below, above=above)

    def _protect(self, dt_s: float) -> None:
        protection = self.protection
        if not protection.armed:
            return
        for action in protection.judge(self.values, self.limits, dt_s):
            match action:
                case Raise(event, priority, source, limits):
                    self.raise_alarm(event, priority, source=source, limits=limits)
                case StopPump():
                    self.treatment.circuit.pump_on = False

    def _birth(self, speaker: Speaker, now: datetime, units: Mapping[str, str]) -> Message:
        limits = {code: self.limits[code] for code in units if code in self.limits}
        off = self.clock_off if speaker is self.machine else timedelta()
        return speaker.birth(now + off, int(self._mono_ms), units, limits)

    def _measure_pressure(self, cuff: Speaker, now: datetime) -> None:
        pressure = self.treatment.blood_pressure()
        if self._habit is None:
            self._cuff_due_s += cuff.identity.interval_s
        else:
            self._cuff_due_s = self._habit.next_after(pressure.systolic)
        values = {
            codes.SYSTOLIC: pressure.systolic,
            codes.DIASTOLIC: pressure.diastolic,
            codes.MEAN_PRESSURE: pressure.mean,
            codes.PULSE: pressure.pulse,
        }
        if self._watched:
            self._look(values)
        message = cuff.telemetry(now, int(self._mono_ms), values, mode=None, session=None)
        self._queue.append(Send(cuff.identity.eui64, message))

    def _look(self, values: Mapping[str, float]) -> None:
        for watched in tuple(self._watched):
            value = values.get(watched.source)
            if value is None:
                continue
            if watched.beyond(value):
                if watched.recovered is None or watched.before:
                    self._watched.remove(watched)
                    self.mark(watched.mark)
                watched.before = True
            elif watched.recovered is not None and value >= watched.recovered:
                watched.before = False

    def _event(self, facets: dict[str, object]) -> None:
        self._say(lambda: self.machine.event(self._device_now, int(self._mono_ms), facets))

    def _say(self, build: Callable[[], Message]) -> None:
        # A machine that hangs takes no numbers either: the gap is one of time, not of sequence.
        if self._silence is None:
            self._queue.append(Send(self.machine.identity.eui64, build()))


def started_before(now: datetime, elapsed_min: float) -> datetime:
    """Return when a treatment that has run for `elapsed_min` began."""
    return now - timedelta(minutes=elapsed_min)
