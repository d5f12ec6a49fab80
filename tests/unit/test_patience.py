"""The clock of promises: it ends what takes too long, and stands still while the machine is held up."""

import asyncio
import time

import pytest

from tests.patience import unhurried


async def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError):
        async with unhurried(0.02):
            await asyncio.Event().wait()


async def test_what_comes_in_time_stays_and_its_error_is_its_own() -> None:
    async with unhurried(0.02):
        await asyncio.sleep(0)
    with pytest.raises(ValueError, match="of the block"):
        async with unhurried(0.02):
            raise ValueError("of the block")


async def test_time_in_which_nobody_is_served_is_not_counted() -> None:
    async with unhurried(0.05):
        for _ in range(2):
            time.sleep(0.03)  # noqa: ASYNC251 - the whole process is held up
            await asyncio.sleep(0)
