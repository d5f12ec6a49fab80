"""The origins of registered apps as this process knows them, read again when something about access changed."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from fhirserver.store.authorizations import Authorizations

_SECONDS: Final = 0.25
log = structlog.get_logger(__name__)


class ClientOrigins:
    """One object for a process."""

    def __init__(self, store: Authorizations, access_epoch: Callable[[], int]) -> None:
        """Read them from `store` whenever `access_epoch` says another number."""
        self._store = store
        self._access_epoch = access_epoch
        self._known: frozenset[bytes] = frozenset()

    def current(self) -> frozenset[bytes]:
        """Return the origins, as a browser writes them."""
        return self._known

    async def follow(self) -> None:
        """Keep them current, a moment behind."""
        seen: int | None = None
        while True:
            epoch = self._access_epoch()
            if epoch != seen:
                try:
                    origins = await self._store.origins()
                except Exception:
                    log.warning("the origins of apps cannot be read", exc_info=True)
                else:
                    self._known = frozenset(one.encode() for one in origins)
                    seen = epoch
            await asyncio.sleep(_SECONDS)
