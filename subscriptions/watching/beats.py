"""Signs of life of one process, and what it knows of the health of all of them."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from subscriptions.store import watch_rows
from subscriptions.store.watch_rows import Execute, Health
from subscriptions.worker.pace import periodically
from subscriptions.worker.ports import Clock

BEAT_SECONDS: Final = 1.5
LOOK_SECONDS: Final = 1.0
# What the watchdog found is believed this long; after that nobody knows how the server is.
FRESH_FOR: Final = timedelta(seconds=5)


class RoleBeats:
    """Tells that this process lives and plays its roles."""

    def __init__(
        self, execute: Execute, clock: Clock, roles: Collection[str], process: str
    ) -> None:
        """Write rows by `execute` as `process`."""
        self._execute = execute
        self._clock = clock
        self._roles = sorted(roles)
        self._process = process

    async def run(self, stop: asyncio.Event) -> None:
        """Tell it every second or two until `stop` is set."""
        await periodically("role beat", BEAT_SECONDS, self.beat, stop)

    async def beat(self) -> None:
        """Tell it once."""
        await watch_rows.beat(self._execute, self._roles, self._process, self._clock())


class Pulse:
    """How the server is, as far as this process knows. Heartbeats are sent only while it is well.

    Where no watchdog has ever run, by the operator's choice, they say what they say elsewhere: that
    this server is there. One that has run and fell silent is no such choice.
    """

    def __init__(self, execute: Execute, clock: Clock) -> None:
        """Know nothing yet, which is not well."""
        self._execute = execute
        self._clock = clock
        self._health: Health | None = None
        self._unwatched = False

    async def run(self, stop: asyncio.Event) -> None:
        """Follow what the watchdog writes down until `stop` is set."""
        await periodically("pulse", LOOK_SECONDS, self.look, stop)

    async def look(self) -> None:
        """Read what the watchdog wrote last."""
        self._health = await watch_rows.health(self._execute)
        self._unwatched = self._health is None

    @property
    def health(self) -> Health | None:
        """What the watchdog found last, None where it is not known any more."""
        found = self._health
        return found if found is not None and self._clock() - found.at <= FRESH_FOR else None

    @property
    def is_well(self) -> bool:
        """Whether alarms work as far as anybody knows."""
        found = self.health
        return self._unwatched if found is None else found.is_well

    def late_since(self) -> datetime | None:
        """Return since when evaluation is late, None while it is not, or nobody knows."""
        found = self.health
        return None if found is None else found.late_since
