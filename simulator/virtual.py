"""A whole treatment in virtual time: everything its devices say, with the truth a server owes.

Pure and seeded: the same arguments give the same messages. Nothing waits, no clock is read; a
four-hour treatment takes less than a second. Bytes are made only when asked for.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from simulator.course import Course
from simulator.devices.cuff_habit import CuffHabit
from simulator.devices.identity import Identity, cuff, machine
from simulator.devices.messages import Message, Speaker
from simulator.faults import NO_FAULTS, Faults, Sent, disturbed
from simulator.home import Command, CutLink, Home, RestoreLink, Send
from simulator.physiology import constants as c
from simulator.physiology.person import Access, Person, person
from simulator.physiology.treatment import Treatment
from simulator.scenarios import named
from simulator.scenarios.scenario import Scenario
from simulator.truth import Binding, Truth

START: Final = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
TICK_S: Final = 1.0
# A broker tells the last will when a link breaks; the rest of the way takes this long.
TRANSIT: Final = timedelta(milliseconds=120)
_BOOT: Final = "b1"


class Session(Iterator[Sent]):
    """One treatment: iterate over what arrives; `moments` fills while it runs."""

    def __init__(  # noqa: PLR0913 - each is a property of one treatment
        self,
        scenario: Scenario,
        seed: int | str,
        *,
        name: str,
        patient: str,
        minutes: float,
        start: datetime,
        at_min: float | None,
        faults: Faults,
        access: Access | None,
    ) -> None:
        self.scenario = scenario
        self.seed = seed
        self.start = start
        if at_min is None:
            # A slow scenario needs its time, however short the treatment was asked to be.
            minutes = max(minutes, scenario.settle_min + scenario.needs_min)
        self.minutes = minutes
        drawn_person = person(seed, minutes=minutes, access=access or scenario.access)
        self.person: Person = scenario.fitting(drawn_person)
        self.devices: tuple[Identity, Identity] = (
            machine(name),
            cuff(name, interval_s=float(c.CUFF_EVERY)),
        )
        self.moments: dict[str, list[datetime]] = {}
        dice = Random(f"{seed}/onset")
        latest = max(scenario.settle_min, minutes - scenario.needs_min)
        drawn = dice.uniform(min(scenario.settle_min, latest), latest)
        self.at_min = drawn if at_min is None else at_min
        self._patient = patient
        network = scenario.network((c.PREPARES_MINUTES + self.at_min) * 60.0)
        stream = disturbed(self._messages(), network, f"{seed}/network")
        self._rest = disturbed(stream, faults, f"{seed}/faults")

    @property
    def truth(self) -> Truth:
        """What a correct server does about this treatment."""
        return self.scenario.truth

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """Which device belongs to whom, from when to when."""
        changes = self.scenario.rebinds
        end = self.start + timedelta(minutes=c.PREPARES_MINUTES + self.at_min)
        found = []
        for device in self.devices:
            own = Binding(device.eui64, self._patient, self.start, None)
            if changes is not None and device.kind == "hemodialysis-machine":
                own = Binding(device.eui64, self._patient, self.start, end)
                back = end + timedelta(seconds=changes.gap_s)
                found.append(Binding(device.eui64, changes.patient, back, None))
            found.append(own)
        return tuple(found)

    def __iter__(self) -> "Session":
        return self

    def __next__(self) -> Sent:
        return next(self._rest)

    def _home(self) -> Home:
        machine_id, cuff_id = self.devices
        return Home(
            machine_id.eui64,
            Treatment.of(self.person, self.seed),
            Speaker(machine_id, _BOOT),
            Speaker(cuff_id, _BOOT),
            started=self.start,
            habit=CuffHabit(c.CUFF_EVERY, Random(f"{self.seed}/cuff")),
            mode="PRETX",
        )

    def _messages(self) -> Iterator[Sent]:
        home = self._home()
        start = now = self.start
        onset_s = (c.PREPARES_MINUTES + self.at_min) * 60.0
        lasts_s = self.scenario.lasts_s
        healed_s = math.inf if lasts_s is None else onset_s + lasts_s
        course = Course(home, self.minutes)
        for speaker in home.speakers:
            eui64 = speaker.identity.eui64
            yield self._sent(eui64, home.birth(eui64, start), start)
            yield self._sent(eui64, speaker.status("online"), start)
        seconds = 0.0
        while not course.over:
            seconds += TICK_S
            now = start + timedelta(seconds=seconds)
            for command in home.tick(TICK_S, now):
                yield from self._carried(home, command, now)
            if seconds >= onset_s:
                onset_s = math.inf
                home.begin(self.scenario)
            if seconds >= healed_s:
                healed_s = math.inf
                home.finish()
                if self.scenario.ends_treatment:
                    course.end_treatment()
            if home.marks:
                self._note(home)
            course.step(TICK_S)
        home.mark("end")
        self._note(home)
        if not home.silent:
            yield self._sent(home.machine.identity.eui64, home.machine.status("offline"), now)

    def _note(self, home: Home) -> None:
        for name, moment in home.marks:
            self.moments.setdefault(name, []).append(moment)
        home.marks.clear()

    def _carried(self, home: Home, command: Command, now: datetime) -> Iterator[Sent]:
        match command:
            case Send(eui64, message):
                yield self._sent(eui64, message, now)
            case CutLink(eui64):
                yield self._sent(eui64, home.machine.status("offline"), now)
            case RestoreLink(eui64):
                yield self._sent(eui64, home.machine.status("online"), now)
                yield self._sent(eui64, home.birth(eui64, now), now)

    def _sent(self, eui64: str, message: Message, now: datetime) -> Sent:
        received = now + TRANSIT
        return Sent(eui64, message, now, received, (received - self.start).total_seconds())


def run(  # noqa: PLR0913 - each is a property of one treatment
    scenario: str | int | Scenario,
    seed: int | str,
    *,
    minutes: float = c.TREATMENT_MINUTES,
    start: datetime = START,
    at_min: float | None = None,
    faults: Faults = NO_FAULTS,
    parameters: Mapping[str, Any] | None = None,
    access: Access | None = None,
    name: str | None = None,
    patient: str = "a",
) -> Session:
    """Return the treatment of the person of `seed` in which `scenario` happens.

    `at_min` is the onset in minutes after the patient is connected, drawn by the seed when None: then
    the treatment lasts at least as long as the scenario needs.
    `parameters` are fields of the scenario; `access` replaces the kind of access the seed draws.
    Raises KeyError for an unknown scenario and TypeError for an unknown parameter.
    """
    chosen = named(scenario, **(parameters or {})) if isinstance(scenario, (str, int)) else scenario
    return Session(
        chosen,
        seed,
        name=name or f"virtual-{seed}",
        patient=patient,
        minutes=minutes,
        start=start,
        at_min=at_min,
        faults=faults,
        access=access,
    )


__all__ = ["START", "Sent", "Session", "run"]
