"""Refusals of callers that nobody has recognised, at whatever door: each is told to the audit, a flood as its count."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from fhirserver.auditing.strangers import Strangers
from fhirserver.kernel.audit import REFUSED, Actor, Auditing, Happening

_OF_NO_TENANT: Final = 0


class Refusals:
    """Those of one process."""

    def __init__(self, auditing: Auditing, clock: Callable[[], datetime]) -> None:
        """Tell `auditing`; `clock` is aware UTC."""
        self._auditing = auditing
        self._clock = clock
        self._strangers = Strangers()

    async def tell(self, address: str, status: int, line: bytes, request_id: str = "") -> None:
        """Tell that `address` was refused with `status`, asking for `line` (which is kept with the event)."""
        now = self._clock()
        for whose, code, count in self._strangers.heard(address, status, now):
            await self._auditing.report(
                Happening(
                    _OF_NO_TENANT,
                    "unauthenticated",
                    now,
                    Actor(address=whose),
                    REFUSED,
                    query=b"" if count else line,
                    request_id="" if count else request_id,
                    detail=f"{code}, {count} times more" if count else str(code),
                )
            )
