"""kill -9 of the process that holds a socket, and a socket taken over from another process."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from websockets.exceptions import ConnectionClosed

from tests.conftest import Database
from tests.integration.websocket.conftest import (
    Ward,
    alarm,
    listening,
    open_ward,
    put,
    subscription,
    token_for,
)
from tests.patience import unhurried

PROGRAM = Path(__file__).parent / "programs" / "serve.py"
ROOT = Path(__file__).parents[3]
EVENTS = 60


@asynccontextmanager
async def another_process(
    database: Database,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A second server over the same database, and the URL of its sockets."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), database.dsn,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            url = (await process.stdout.readline()).decode().strip()
        yield process, url.replace("http", "ws") + "/ws/subscriptions"
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def write_all(ward: Ward) -> None:
    for number in range(1, EVENTS + 1):
        await alarm(ward.admin, number)


async def test_after_a_kill_the_next_socket_goes_on_without_a_gap(database: Database) -> None:
    async with open_ward(database) as ward, another_process(database) as (victim, url):
        await put(ward.nurse, subscription())
        got = await token_for(ward.nurse, "s1")
        async with listening(url) as first:
            await first.bind(got["token"])
            writing = asyncio.ensure_future(write_all(ward))
            await first.until(EVENTS // 4)
            victim.send_signal(signal.SIGKILL)
            with suppress(ConnectionClosed):
                while True:
                    await first.next()
        async with listening(got["websocket-url"]) as second:
            await second.bind(got["token"])
            await second.until(EVENTS)
        await writing
    before, after = first.numbers(), second.numbers()
    assert before == list(range(1, before[-1] + 1))
    assert after == list(range(after[0], EVENTS + 1))
    assert after[0] <= before[-1] + 1, "nothing is missing between the two sockets"


async def test_a_socket_at_another_process_takes_over_within_a_second(database: Database) -> None:
    async with open_ward(database) as ward, another_process(database) as (_, url):
        await put(ward.nurse, subscription())
        got = await token_for(ward.nurse, "s1")
        async with listening(url) as older, listening(got["websocket-url"]) as newer:
            await older.bind(got["token"])
            await older.next()
            await newer.bind(got["token"])
            await newer.next()
            async with unhurried(1.0):
                assert (await older.closed())[0] == 4409
            await alarm(ward.admin, 1)
            assert await newer.until(1) == [1]
