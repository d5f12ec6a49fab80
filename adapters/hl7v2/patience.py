"""How long the way in waits for the record before it says nothing and hangs up, so that the sender sends again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from fhirserver.kernel.errors import Conflict, FhirError, Unavailable

# Seconds between attempts, about ten in all: a restart of the database is over by then.
_PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0)
# What readings meet that pass by themselves: the database is away, a concurrent change won.
PASSING: Final = (Unavailable, Conflict)
_Result = TypeVar("_Result")

log = structlog.get_logger(__name__)


async def persistently(
    action: Callable[[], Awaitable[_Result]], passing: tuple[type[FhirError], ...] = PASSING
) -> _Result:
    """Return what `action` returns, repeated while what hinders it is `passing`.

    Raises `Unavailable` when that took too long, and anything else as it comes.
    """
    for pause in _PAUSES:
        try:
            return await action()
        except passing as hindrance:
            log.warning("messages wait", cause=str(hindrance), seconds=pause)
            await asyncio.sleep(pause)
    try:
        return await action()
    except passing as hindrance:
        raise Unavailable(hindrance.message) from hindrance
