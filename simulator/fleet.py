"""Many homes in one process: the clock that moves them and the links that speak for them."""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from simulator.control import Control, ControlError, read_control
from simulator.devices.messages import Message
from simulator.home import CutLink, Home, RestoreLink, Send
from simulator.scenarios import named
from simulator.transports.mqtt import Link

BEAT_S = 1.0

log = structlog.get_logger("simulator.fleet")


class Fleet:
    """Moves homes by the wall clock and hands what their devices want to their links."""

    def __init__(self, clock: Callable[[], datetime], *, step_s: float = 1.0) -> None:
        """`clock` gives the wall-clock time (aware); homes advance `step_s` seconds at a time."""
        self._clock = clock
        self._step_s = step_s
        self._homes: list[Home] = []
        self._links: dict[str, Link] = {}
        self.ticks = 0

    @property
    def homes(self) -> Sequence[Home]:
        """Every home of this process."""
        return self._homes

    @property
    def links(self) -> Sequence[Link]:
        """Every connection of this process."""
        return tuple(self._links.values())

    def add(self, home: Home, links: dict[str, Link]) -> None:
        """Take in a home; `links` by the EUI-64 of its devices."""
        self._homes.append(home)
        self._links.update(links)

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
        """Connect every device, `at_once` at a time, so that a thousand do not arrive together."""
        for home in self._homes:
            for speaker in home.speakers:
                eui64 = speaker.identity.eui64
                self._links[eui64].announce(self._birth_of(home, eui64))
        links = list(self._links.values())
        for first in range(0, len(links), at_once):
            for link in links[first : first + at_once]:
                link.open()
            await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """Disconnect every device with a goodbye."""
        for link in self._links.values():
            link.close()
        await asyncio.sleep(0.1)

    async def run(self, seconds: float | None = None) -> None:
        """Move every home once per step, spread over the step; for ever, or for `seconds`."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        spread = self._step_s / max(1, len(self._homes))
        due = [(start + index * spread, index) for index in range(len(self._homes))]
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
                for link in self._links.values():
                    link.beat()
            wake = min(due[0][0] if due else beat, beat)
            # Never busy: a thousand homes are moved some milliseconds together.
            await asyncio.sleep(max(0.005, wake - loop.time()))

    def _birth_of(self, home: Home, eui64: str) -> Callable[[], Message]:
        return lambda: home.birth(eui64, self._clock())

    def _tick(self, home: Home) -> None:
        self.ticks += 1
        for command in home.tick(self._step_s, self._clock()):
            match command:
                case Send(eui64, message):
                    self._links[eui64].send(message)
                case CutLink(eui64):
                    self._links[eui64].cut()
                case RestoreLink(eui64):
                    self._links[eui64].open()
