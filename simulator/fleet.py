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
AT_ONCE = 25
BETWEEN_S = 0.05
# So many homes are moved before anything else gets its turn.
MOVED_AT_ONCE = 200
CATCH_UP = 10

log = structlog.get_logger("simulator.fleet")


def left_out(late_s: float, step_s: float) -> int:
    """Return how many steps a home that is `late_s` behind leaves out: none up to `CATCH_UP`."""
    behind = int(late_s / step_s)
    return behind if behind > CATCH_UP else 0


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
        self.step_s = step_s
        self._homes: list[Home] = []
        self._after_s: list[float] = []
        self._courses: dict[str, Course] = {}
        self._links: dict[str, Voice] = {}
        self._connections: dict[int, Connection] = {}
        self._beating: asyncio.Task[None] | None = None
        self.ticks = 0
        self.skipped = 0

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

    async def open(self, *, within_s: float = 0.0) -> None:
        """Connect everything, `AT_ONCE` at a time, so that a thousand do not arrive together.

        With `within_s` they come evenly over so many seconds.
        """
        for home in self._homes:
            for speaker in home.speakers:
                eui64 = speaker.identity.eui64
                self._links[eui64].announce(self._birth_of(home, eui64))
        connections = self.connections
        self._beating = asyncio.create_task(self._beat())
        at_once = 1 if within_s else AT_ONCE
        pause_s = within_s / max(1, len(connections)) or BETWEEN_S
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
                break
            await asyncio.sleep(0.05)
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])

    async def run(self, seconds: float | None = None) -> None:
        """Move every home once per step, spread over the step; for ever, or for `seconds`.

        A home that is behind catches up; one that is more than `CATCH_UP` steps behind leaves them
        out, counted in `skipped`: what the processor cannot do must not stop everything else.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        spread = self.step_s / max(1, len(self._homes))
        due = [
            (start + after_s + index * spread, index) for index, after_s in enumerate(self._after_s)
        ]
        heapq.heapify(due)
        while seconds is None or loop.time() - start < seconds:
            now_s = loop.time()
            for _ in range(MOVED_AT_ONCE):
                if not due or due[0][0] > now_s:
                    break
                at, index = due[0]
                skipped = left_out(now_s - at, self.step_s)
                self.skipped += skipped
                heapq.heapreplace(due, (at + (skipped + 1) * self.step_s, index))
                self._tick(self._homes[index])
            wake = due[0][0] if due else now_s + self.step_s
            # Never busy: a thousand homes are moved some milliseconds together.
            await asyncio.sleep(max(0.005, wake - loop.time()) if wake > now_s else 0.0)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            for connection in self._connections.values():
                connection.beat()

    def _birth_of(self, home: Home, eui64: str) -> Callable[[], Message]:
        return lambda: home.birth(eui64, self._clock())

    def _tick(self, home: Home) -> None:
        course = self._courses.get(home.name)
        if course is not None:
            if course.over:
                return
            course.step(self.step_s)
        self.ticks += 1
        for command in home.tick(self.step_s, self._clock()):
            match command:
                case Send(eui64, message):
                    self._links[eui64].send(message)
                case CutLink(eui64):
                    self._links[eui64].cut()
                case RestoreLink(eui64):
                    self._links[eui64].open()
