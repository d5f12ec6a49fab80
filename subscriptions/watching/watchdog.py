"""The watchdog: a process of its own that looks at the others every second and tells the operator.

It needs neither definitions nor keys, starts while the database or the broker is away, and never
stops looking because one of its looks failed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from fhirserver.kernel.errors import Unavailable
from subscriptions.core.vigil import (
    Ailment,
    Measured,
    Notice,
    Vigil,
    ailments,
    is_well,
    not_taken,
    watched,
)
from subscriptions.store import watch_rows
from subscriptions.store.watch_rows import Due, Execute, Health
from subscriptions.worker.pace import periodically
from subscriptions.worker.ports import Clock

LOOK_SECONDS: Final = 1.0

_log = structlog.get_logger("watchdog")

Tell = Callable[[Notice], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Eyes:
    """What the watchdog looks with.

    `execute` raises `Unavailable` while the database is away. `lag` returns how long the oldest message of
    a device has waited, None while that cannot be told; `broker` whether the broker is there; `answers`
    whether the API answers (None: there is none here).
    """

    execute: Execute
    lag: Callable[[], Awaitable[timedelta | None]]
    broker: Callable[[], bool]
    answers: Callable[[], Awaitable[bool | None]]
    clock: Clock


class Watchdog:
    """Looks, writes down how the server is, and tells."""

    def __init__(
        self,
        eyes: Eyes,
        tell: Tell,
        roles: Collection[str],
        synthetic_every: timedelta | None,
    ) -> None:
        """Expect `roles` and whoever else gives signs of life, and a run of the synthetic patient that often."""
        self._eyes = eyes
        self._tell = tell
        self._roles = frozenset(roles) - {"watchdog"}
        self._synthetic_every = synthetic_every
        self._began = eyes.clock()
        self._vigil = Vigil()
        self._late_since: datetime | None = None
        self.found: frozenset[Ailment] = frozenset()
        self.is_well = False
        self.lag: timedelta | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look every second until `stop` is set."""
        await periodically("watchdog", LOOK_SECONDS, self.look, stop)

    async def look(self) -> None:
        """Look once, and tell what there is to tell."""
        seen = await self._measure()
        now = self._eyes.clock()
        self.found = ailments(seen, self._began, now)
        self.is_well = is_well(seen, self.found)
        self.lag = seen.lag
        if "evaluation-late" not in self.found:
            self._late_since = None
        elif self._late_since is None:
            self._late_since = now
        before = self._vigil
        self._vigil, notice = watched(before, self.found, now)
        await self._write_down(now)
        if notice is not None and not await self._tell(notice):
            self._vigil = not_taken(before, self._vigil, notice, now)

    async def _measure(self) -> Measured:
        lag, answers, stored = await asyncio.gather(
            self._eyes.lag(), self._eyes.answers(), self._stored()
        )
        beats, due = stored if stored is not None else ({}, Due(None, None, None))
        expected: dict[str, datetime | None] = dict.fromkeys(self._roles)
        return Measured(
            database=stored is not None,
            broker=self._eyes.broker(),
            lag=lag,
            beats={**expected, **beats},
            answers=answers,
            timer_due=due.timer,
            send_due=due.send,
            synthetic=due.synthetic,
            synthetic_every=self._synthetic_every,
            unanswered=due.unanswered,
            refused=due.refused,
        )

    async def _stored(self) -> tuple[dict[str, datetime], Due] | None:
        now = self._eyes.clock()
        try:
            return (
                await watch_rows.beats(self._eyes.execute, now),
                await watch_rows.due(self._eyes.execute, now),
            )
        except Unavailable:
            return None

    async def _write_down(self, now: datetime) -> None:
        lag_ms = None if self.lag is None else round(self.lag.total_seconds() * 1000)
        health = Health(now, self.is_well, lag_ms, self._late_since, tuple(sorted(self.found)))
        try:
            await watch_rows.save_health(self._eyes.execute, health)
        except Unavailable:
            _log.warning("not written down", troubles=sorted(self.found))
