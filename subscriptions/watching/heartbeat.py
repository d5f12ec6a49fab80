"""The heartbeat devices and gateways can miss: a message on the topic all devices of a tenant may hear.

It says that what they send is taken in, evaluated in time and can reach people. It is sent by the
watchdog and stops as soon as that is not so; a gateway that misses it tells the people in the room that
nobody else will be called.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from fhirserver.kernel.errors import Unavailable
from fhirserver.kernel.instant import instant
from subscriptions.watching.watchdog import Watchdog
from subscriptions.worker.pace import periodically
from subscriptions.worker.ports import Clock

BEAT_SECONDS: Final = 10.0
SCHEMA: Final = "hd.beat/1"

Publish = Callable[[str, bytes], Awaitable[None]]


def subject(tenant: str) -> str:
    """Return the broker subject of ``hd/v1/{tenant}/cmd``, which every device of the tenant may hear."""
    return f"hd.v1.{tenant}.cmd"


def beat_message(now: datetime, lag: timedelta) -> bytes:
    """Return one heartbeat: the server's time, how late evaluation is, and when to expect the next one."""
    body = {
        "schema": SCHEMA,
        "time": instant(now),
        "lag_ms": round(lag.total_seconds() * 1000),
        "every_s": round(BEAT_SECONDS),
    }
    return json.dumps(body, separators=(",", ":")).encode()


class DeviceHeartbeat:
    """Sends it while the watchdog finds the server well."""

    def __init__(
        self,
        watchdog: Watchdog,
        tenants: Callable[[], Awaitable[Sequence[str]]],
        publish: Publish,
        clock: Clock,
    ) -> None:
        """Send by `publish` (a subject and a message) to each of `tenants`."""
        self._watchdog = watchdog
        self._tenants = tenants
        self._publish = publish
        self._clock = clock
        self._known: Sequence[str] = ()

    async def run(self, stop: asyncio.Event) -> None:
        """Send every ten seconds until `stop` is set."""
        await periodically("device heartbeat", BEAT_SECONDS, self.beat, stop)

    async def beat(self) -> bool:
        """Send once, unless something is wrong; return whether it was sent."""
        lag = self._watchdog.lag
        if not self._watchdog.is_well or lag is None:
            return False
        try:
            self._known = await self._tenants()
        except Unavailable:
            return False
        message = beat_message(self._clock(), lag)
        for tenant in self._known:
            await self._publish(subject(tenant), message)
        return True
