"""Runs stages against a server: devices publish by the clock, telephones are timed."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from conformance.load import homes as setup
from conformance.load.alarms.stages import DRAIN_S, Outcome, Stage, Trouble, TroubleKind
from conformance.load.device import Device
from conformance.load.ingest import TICK_SECONDS, Load
from conformance.load.messages import FALLEN, VENOUS_ACCESS
from conformance.load.phone_log import PhoneLog
from conformance.record import Record

# A backlog is gone when no more waits than what one second brings.
_LOOK_SECONDS: Final = 0.2
_TELEPHONES_S: Final = 30.0
_MOST_A_TICK: Final = 200


@dataclass(slots=True)
class _Owed:
    """A trouble whose telephone is still listened to."""

    telephone: str
    kind: TroubleKind
    published: float
    heard: float | None = None


@dataclass(slots=True)
class Bursts(Load):
    """One run of stages; `plan.devices` treat from the start, others join where a stage says so."""

    _owed: list[_Owed] = field(default_factory=list, init=False)
    _speaking: list[Device] = field(default_factory=list, init=False)
    _connected: list[asyncio.Future[None]] = field(default_factory=list, init=False)
    _turn: int = field(default=0, init=False)
    _backlog: int = field(default=0, init=False)

    async def run_stages(
        self, stages: Sequence[Stage], *, until_knee: bool = False
    ) -> list[Outcome]:
        """Set up, run `stages` one after another and return what came of each.

        With `until_knee` it ends behind the first that is not carried. Raises SetupError, Refusal,
        httpx.HTTPError.
        """
        outcomes: list[Outcome] = []
        limits = httpx.Limits(max_connections=setup.CONCURRENT * 2)
        async with httpx.AsyncClient(timeout=60.0, limits=limits, trust_env=False) as http:
            record = Record(http, self.target.base, self.target.token)
            phones = PhoneLog(http, self.target.phone or "")
            await self._settle(record, phones)
            first = len(self._devices) - sum(stage.joining for stage in stages)
            waiting, self._devices = self._devices[first:], self._devices[:first]
            try:
                await self._connect(self._connected)
                await self._warm_up()
                self._speaking = list(self._devices)
                for stage in stages:
                    joining = [waiting.pop() for _ in range(stage.joining)]
                    outcomes.append(await self._stage(stage, joining, phones))
                    self.say(_line(outcomes[-1]))
                    if until_knee and not outcomes[-1].carried:
                        break
                await self._go_quiet()
            finally:
                for task in self._connected:
                    task.cancel()
                await asyncio.gather(*self._connected, return_exceptions=True)
        return outcomes

    async def _stage(self, stage: Stage, joining: list[Device], phones: PhoneLog) -> Outcome:
        self.say(f"  {stage.name}: {stage.messages_per_s:.0f} messages/s for {stage.seconds:.0f} s")
        self._tally.start()
        begun, before = time.monotonic(), len(self._owed)
        self._backlog = 0
        beside: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._watch_stage(stage, begun, phones)),
            asyncio.ensure_future(self._trouble(stage)),
            asyncio.ensure_future(self._join(stage, joining)),
        ]
        try:
            await self._publish(stage.messages_per_s, stage.seconds)
            await asyncio.gather(*beside[1:])
            drained = await self._drained(stage.messages_per_s)
            await self._telephones(phones, before)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        return Outcome(
            stage,
            self._tally.messages,
            list(self._tally.latencies),
            [Trouble(one.kind, one.published, one.heard) for one in self._owed[before:]],
            self._backlog,
            drained,
        )

    async def _publish(self, messages_per_s: float, seconds: float) -> None:
        begun, sent = time.monotonic(), 0
        while (elapsed := time.monotonic() - begun) < seconds:
            due = int(elapsed * messages_per_s)
            for _ in range(min(due - sent, _MOST_A_TICK)):
                self._say_something()
                sent += 1
            await asyncio.sleep(TICK_SECONDS)

    def _say_something(self) -> None:
        self._count(self._speaking[self._turn % len(self._speaking)].measure())
        self._turn += 1

    async def _drained(self, messages_per_s: float) -> float | None:
        """Go on at the usual pace of one message a device each ten seconds until nothing waits."""
        begun = time.monotonic()
        pace = min(messages_per_s, max(1.0, len(self._speaking) / 5.0))
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while self._waiting() > pace:
                    await self._publish(pace, _LOOK_SECONDS)
                return time.monotonic() - begun
        return None

    async def _trouble(self, stage: Stage) -> None:
        """Every other patient by the machine's own alarm, every other by a fallen pressure."""
        for _ in range(stage.troubles):
            await asyncio.sleep(1.0 / stage.troubles_per_s)
            number = len(self._owed)
            kind: TroubleKind = "tel" if number % 2 else "evt"
            device = self._devices[number]
            self._owed.append(_Owed(self._homes[number].telephone, kind, time.time()))
            self._count(device.measure(FALLEN) if number % 2 else device.alarm(VENOUS_ACCESS, "PH"))

    async def _join(self, stage: Stage, joining: list[Device]) -> None:
        for device in joining:
            self._devices.append(device)
            self._connected.append(asyncio.ensure_future(device.run()))
            await asyncio.sleep(stage.seconds / len(joining))
            self._speaking.append(device)

    async def _watch_stage(self, stage: Stage, begun: float, phones: PhoneLog) -> None:
        beat = 0
        while True:
            beat += 1
            await asyncio.sleep(max(0.0, begun + beat - time.monotonic()))
            self._backlog = max(self._backlog, self._waiting())
            self._repeated += sum(device.repeat() for device in self._devices)
            await self._listen(phones)
            if beat % 5 == 0:
                told = sum(one.heard is not None for one in self._owed)
                self.say(
                    f"    {beat:4d} s  {self._tally.messages:7,d} messages committed  "
                    f"{self._waiting():6d} wait  told {told}/{len(self._owed)}"
                )

    async def _telephones(self, phones: PhoneLog, first: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_TELEPHONES_S):
                while any(one.heard is None for one in self._owed[first:]):
                    await self._listen(phones)
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _listen(self, phones: PhoneLog) -> None:
        for heard in await phones.read():
            for one in self._owed:
                mine = one.telephone == heard.telephone and one.heard is None
                if mine and heard.is_alarm and heard.at >= one.published:
                    one.heard = heard.at


def _line(outcome: Outcome) -> str:
    drained = "never" if outcome.drained_s is None else f"after {outcome.drained_s:.1f} s"
    return (
        f"    {outcome.stage.name}: {outcome.messages} messages; reading to telephone company: "
        f"evt {outcome.ringing('evt')}; tel {outcome.ringing('tel')}; backlog at most "
        f"{outcome.largest_backlog}, gone {drained}"
        + "".join(f"\n    BROKEN: {one}" for one in outcome.broken)
    )
