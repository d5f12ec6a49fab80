"""Ends connections of devices that were revoked, or given new credentials, within seconds.

Every process that takes what devices say looks for changes; ending a connection twice does no harm.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from fhirserver.kernel.errors import Unavailable

LOOK_SECONDS: Final = 5.0
# A change is looked for so long after it was made: transactions that commit late, brokers that were away.
_LOOK_BACK: Final = timedelta(minutes=5)

log = structlog.get_logger(__name__)


class ChangedDevice(Protocol):
    """Connections of `address` that began before `at` (aware) are good no more."""

    @property
    def address(self) -> str:
        """As it stands in the device's topics."""

    @property
    def at(self) -> datetime:
        """When it was revoked or given new credentials."""


Changed = Callable[[int, datetime], Awaitable[Sequence[ChangedDevice]]]


class Revocation:
    """Looks for changes of all tenants."""

    def __init__(
        self,
        tenants: Callable[[], Awaitable[Sequence[tuple[int, str]]]],
        changed: Changed,
        end: Callable[[Mapping[str, datetime]], Awaitable[int]],
        clock: Callable[[], datetime],
    ) -> None:
        """`changed(tenant, since)` tells who changed; `end` ends connections that began before a time, by username."""
        self._tenants = tenants
        self._changed = changed
        self._end = end
        self._clock = clock

    async def run(self) -> None:
        """Look every few seconds until cancelled, at the whole past first: nobody looked while the server was down."""
        since = datetime.min.replace(tzinfo=self._clock().tzinfo)
        while True:
            now = self._clock()
            try:
                await self.look(since)
                since = now - _LOOK_BACK
            except Unavailable:
                log.warning("devices that were revoked could not be looked for")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, since: datetime) -> int:
        """End what changes since `since` have made bad; return how many connections."""
        good_from: dict[str, datetime] = {}
        for tenant, name in await self._tenants():
            for one in await self._changed(tenant, since):
                username = f"{name}.{one.address}"
                good_from[username] = max(one.at, good_from.get(username, one.at))
        return await self._end(good_from) if good_from else 0
