"""A connection to the broker for those who must go on without it: they wait for it as long as it takes."""

import asyncio
from typing import Final

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

_PAUSE_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


async def connect(client: Client, url: str) -> None:
    """Connect `client`, however long the broker is away; afterwards it looks after that itself."""
    while not client.is_connected:
        try:
            await client.connect(
                url, max_reconnect_attempts=-1, reconnect_time_wait=1, error_cb=_told
            )
        except (OSError, TimeoutError, NatsError) as problem:
            log.warning("broker not reached", cause=repr(problem))
            await asyncio.sleep(_PAUSE_SECONDS)


async def _told(error: Exception) -> None:
    log.warning("broker connection", cause=repr(error))
