"""Writes spooled happenings out as AuditEvents, without taking the machine from those who are being served.

It works at most a part of the time: after every line it rests a multiple of what that took. A quiet server has its
events within a second; a busy one catches up when it is less busy.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from fhirserver.kernel.errors import FhirError

PAUSE: Final = 0.25
# Rest for each second of work.
REST: Final = 5.0

log = structlog.get_logger(__name__)


class Spool(Protocol):
    """Where happenings wait."""

    async def tenants(self) -> Sequence[int]:
        """Return whose wait."""

    async def one(self, tenant: int, behind: int = 0) -> int | None:
        """Write the oldest line of a tenant out, but for `behind` still older ones; None when there is none."""


class Expander:
    """Writes out what waits; several processes may."""

    def __init__(self, spool: Spool, monotonic: Callable[[], float], *, rest: float = REST) -> None:
        """`monotonic` is in seconds."""
        self._spool = spool
        self._monotonic = monotonic
        self._rest = rest
        self._stuck: dict[int, int] = {}

    async def run(self) -> None:
        """Write out until cancelled."""
        while True:
            try:
                await self.all()
            except FhirError as error:
                log.warning("audit is not written out", problem=type(error).__name__)
            await asyncio.sleep(PAUSE)

    async def all(self) -> int:
        """Write out everything that waits now; return how many happenings that were."""
        done = 0
        while tenants := await self._spool.tenants():
            before = done
            for tenant in tenants:
                began = self._monotonic()
                count = await self._one(tenant)
                if count is not None:
                    done += count
                    await asyncio.sleep((self._monotonic() - began) * self._rest)
            if done == before:
                break
        self._stuck.clear()
        return done

    async def _one(self, tenant: int) -> int | None:
        behind = self._stuck.get(tenant, 0)
        try:
            return await self._spool.one(tenant, behind)
        except FhirError:
            raise
        except Exception as error:  # noqa: BLE001 - a line that cannot be written out stays, and holds nobody up
            log.error("audit line is stuck", tenant=tenant, problem=type(error).__name__)  # noqa: TRY400 - its text may name somebody
            self._stuck[tenant] = behind + 1
            return 0
