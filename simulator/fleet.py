"""Many homes in one process: the clock that moves them and the links that speak for them."""

import asyncio
import heapq
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from simulator.control import Control, ControlError, read_control
from simulator.course import Course
from simulator.devices.messages import Message
from simulator.home import CutLink, Home, RestoreLink, Send
from simulator.scenarios import named
from simulator.transports.buffer import StoreAndForward
from simulator.transports.connection import Connection

BEAT_S = 1.0
GOODBYE_S = 5.0

log = structlog.get_logger("simulator.fleet")


class Voice(Protocol):
    """How one device speaks: over a connection of its own or through a gateway."""

    buffer: StoreAndForward
    connected: asyncio.Event

    @property
    def connection(self) -> Connection:
        """What carries it."""

    def announce(self, birth: Callable[[], Message]) -> None:
        """Set what makes its birth message."""

    def send(self, message: Message) -> None:
        """Say `message`."""

    def open(self) -> None:
        """Be there."""

    def cut(self) -> None:
        """Be lost without a goodbye."""


class Fleet:
    """Moves homes by the wall clock and hands what their devices want to their links."""

    def __init__(self, clock: Callable[[], datetime], *, step_s: float = 1.0) -> None:
        """`clock` gives the wall-clock time (aware); homes advance `step_s` seconds at a time."""
        self._clock = clock
        self._step_s = step_s
        self._homes: list[Home] = []
        self._after_s: list[float] = []
        self._courses: dict[str, Course] = {}
        self._links: dict[str, Voice] = {}
        self._connections: dict[int, Connection] = {}
        self.ticks = 0

    @property
    def homes(self) -> Sequence[Home]:
        """Every home of this process."""
        return self._homes

    @property
    def links(self) -> Sequence[Voice]:
        """The voice of every device of this process."""
        return tuple(self._links.values())

    @property
    def connections(self) -> Sequence[Connection]:
        """Every connection of this process."""
        return tuple(self._connections.values())

    def add(
        self,
        home: Home,
        links: Mapping[str, Voice],
        *,
        after_s: float = 0.0,
        course: Course | None = None,
    ) -> None:
        """Take in a home; `links` by the EUI-64 of its devices; it moves `after_s` after `run`.

        With a `course` its treatment ends and its devices say no more; without one it goes on.
        """
        self._homes.append(home)
        if course is not None:
            self._courses[home.name] = course
        self._after_s.append(after_s)
        self._links.update(links)
        for link in links.values():
            self._connections[id(link.connection)] = link.connection

    def home(self, device: str) -> Home:
        """Return the home called `device` or that has it; raises ControlError."""
        wanted = device.replace("-", "").upper()
        for home in self._homes:
            if home.name == device or wanted in {s.identity.eui64 for s in home.speakers}:
                return home
        raise ControlError(f"no home or device {device!r} here")

    def control(self, request: Control) -> None:
        """Start or stop a scenario; raises ControlError for a device or scenario unknown here."""
        home = self.home(request.device)
        if request.do == "stop":
            home.finish()
            return
        try:
            scenario = named(request.scenario or "", scale=request.scale)
        except KeyError as error:
            raise ControlError(f"no scenario {request.scenario!r}") from error
        home.begin(scenario)
        log.info("scenario started", home=home.name, scenario=scenario.name)

    def control_payload(self, payload: bytes) -> None:
        """Do what a message on the control topic asks; a bad one is logged and changes nothing."""
        try:
            self.control(read_control(payload))
        except ControlError as error:
            log.warning("control refused", error=str(error))

    async def open(self, *, at_once: int = 25, pause_s: float = 0.05) -> None:
        """Connect everything, `at_once` at a time, so that a thousand do not arrive together."""
        for home in self._homes:
            for speaker in home.speakers:
                eui64 = speaker.identity.eui64
                self._links[eui64].announce(self._birth_of(home, eui64))
        connections = self.connections
        for first in range(0, len(connections), at_once):
            for connection in connections[first : first + at_once]:
                connection.open()
            await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """Disconnect every device with a goodbye; returns when all are gone, or after `GOODBYE_S`."""
        for connection in self.connections:
            connection.close()
        for _ in range(int(GOODBYE_S / 0.05)):
            if not any(connection.connected.is_set() for connection in self.connections):
                return
            await asyncio.sleep(0.05)

    async def run(self, seconds: float | None = None) -> None:
        """Move every home once per step, spread over the step; for ever, or for `seconds`."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        spread = self._step_s / max(1, len(self._homes))
        due = [
            (start + after_s + index * spread, index) for index, after_s in enumerate(self._after_s)
        ]
        heapq.heapify(due)
        beat = start + BEAT_S
        while seconds is None or loop.time() - start < seconds:
            now_s = loop.time()
            while due and due[0][0] <= now_s:
                at, index = due[0]
                heapq.heapreplace(due, (at + self._step_s, index))
                self._tick(self._homes[index])
            if now_s >= beat:
                beat = now_s + BEAT_S
                for connection in self._connections.values():
                    connection.beat()
            wake = min(due[0][0] if due else beat, beat)
            # Never busy: a thousand homes are moved some milliseconds together.
            await asyncio.sleep(max(0.005, wake - loop.time()))

    def _birth_of(self, home: Home, eui64: str) -> Callable[[], Message]:
        return lambda: home.birth(eui64, self._clock())

    def _tick(self, home: Home) -> None:
        course = self._courses.get(home.name)
        if course is not None:
            if course.over:
                return
            course.step(self._step_s)
        self.ticks += 1
        for command in home.tick(self._step_s, self._clock()):
            match command:
                case Send(eui64, message):
                    self._links[eui64].send(message)
                case CutLink(eui64):
                    self._links[eui64].cut()
                case RestoreLink(eui64):
                    self._links[eui64].open()
