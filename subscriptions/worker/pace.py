"""Runs something again and again until told to stop, and survives its failures."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from fhirserver.kernel.errors import Conflict, Unavailable

_log = structlog.get_logger("worker")
# After a failure the loop waits at least this long, so that an outage does not fill the log.
_AFTER_FAILURE: Final = 0.5


async def periodically(
    name: str,
    every_seconds: float,
    act: Callable[[], Awaitable[object]],
    stop: asyncio.Event,
    wake: asyncio.Event | None = None,
) -> None:
    """Run `act` every `every_seconds`, sooner when `wake` is set, until `stop` is set.

    A failure is logged by type, never by text (it could name a person), and the loop goes on: due
    work is rows, so nothing is lost by trying again.
    """
    while not stop.is_set():
        pause = every_seconds
        try:
            await act()
        except (Conflict, Unavailable) as problem:
            _log.info("to be tried again", loop=name, problem=type(problem).__name__)
            pause = max(pause, _AFTER_FAILURE)
        except Exception as problem:  # noqa: BLE001 - the loop must outlive any one failure
            _log.error("failed", loop=name, problem=type(problem).__name__, where=_where(problem))
            pause = max(pause, _AFTER_FAILURE)
        await _rest(pause, stop, wake)


async def _rest(seconds: float, stop: asyncio.Event, wake: asyncio.Event | None) -> None:
    waiting = [asyncio.ensure_future(stop.wait())]
    if wake is not None:
        waiting.append(asyncio.ensure_future(wake.wait()))
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in waiting:
            future.cancel()
    if wake is not None:
        wake.clear()


def _where(problem: BaseException) -> str:
    """Return file and line of the innermost frame: enough to find it, nothing of its data."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
