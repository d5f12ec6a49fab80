"""How long a process believes the access epoch it read."""

import asyncio
from typing import cast

from fhirserver.access_epoch import AccessEpoch
from fhirserver.store.record import Record


class Database:
    """Answers as told, and says when it was asked."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer: int | Exception = 7

    async def access_epoch(self) -> int:
        self.asked.set()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def read_once(epoch: AccessEpoch, database: Database) -> None:
    following = asyncio.create_task(epoch.follow())
    await database.asked.wait()
    await asyncio.sleep(0)
    following.cancel()


async def test_an_epoch_counts_until_nothing_was_heard_for_three_quarters_of_a_second() -> None:
    database, clock = Database(), Clock()
    epoch = AccessEpoch(cast("Record", database), clock)
    await read_once(epoch, database)
    assert epoch.is_readable
    clock.now += 0.75
    assert epoch.current() == 7
    clock.now += 0.01
    assert epoch.current() < 0


async def test_while_it_cannot_be_read_it_is_another_one_each_quarter_of_a_second() -> None:
    database, clock = Database(), Clock()
    database.answer = OSError()
    epoch = AccessEpoch(cast("Record", database), clock)
    await read_once(epoch, database)
    assert not epoch.is_readable
    seen = []
    for _ in range(4):
        seen.append(epoch.current())
        clock.now += 0.25
    assert len(set(seen)) == 4
    assert max(seen) < 0
