"""The outer watch: a URL of the operator's choice is asked as long as everything is in order.

A monitor on another machine that hears nothing for a while rings; so somebody is told when this machine
is gone as a whole, and also when the watchdog found something and its own ways are broken.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import httpx
import structlog

from subscriptions.worker.pace import periodically

_log = structlog.get_logger("watchdog")
PATIENCE_SECONDS: Final = 10.0


class DeadMan:
    """Asks the URL every so many seconds while `is_well` says so."""

    def __init__(
        self, url: str, every_seconds: float, client: httpx.AsyncClient, is_well: Callable[[], bool]
    ) -> None:
        """Ask `url` through `client`."""
        self._url = url
        self._every = every_seconds
        self._client = client
        self._is_well = is_well

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until `stop` is set."""
        await periodically("dead man", self._every, self.ask, stop)

    async def ask(self) -> bool:
        """Ask once, unless something is wrong; return whether the URL answered that it heard us."""
        if not self._is_well():
            return False
        try:
            answer = await self._client.get(self._url)
        except httpx.HTTPError as problem:
            _log.warning("outer watch not reached", problem=type(problem).__name__)
            return False
        if not answer.is_success:
            _log.warning("outer watch refuses", status=answer.status_code)
        return answer.is_success
