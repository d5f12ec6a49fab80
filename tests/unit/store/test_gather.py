"""Questions asked together are answered each on its own."""

import asyncio
from collections.abc import Mapping

import pytest

from fhirserver.store.gather import MOST, Gather, Round


class Source:
    """Answers every item with its square, except 13; holds rounds back until `open` is set."""

    def __init__(self) -> None:
        self.rounds: list[Round[str, int]] = []
        self.open = asyncio.Event()

    async def run(self, wanted: Round[str, int]) -> Mapping[tuple[str, int], int]:
        self.rounds.append(wanted)
        await self.open.wait()
        if any(item < 0 for items in wanted.values() for item in items):
            raise ValueError("negative")
        return {
            (group, item): item * item
            for group, items in wanted.items()
            for item in items
            if item != 13
        }


async def _all_waiting() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_waits_during_a_round_is_asked_in_the_next_one() -> None:
    source = Source()
    gather: Gather[str, int, int] = Gather(source.run)
    first = [asyncio.create_task(gather.ask("a", number)) for number in (1, 2)]
    await _all_waiting()
    later = [asyncio.create_task(gather.ask("b", number)) for number in (3, 4, 13, 3)]
    await _all_waiting()
    source.open.set()
    assert await asyncio.gather(*first, *later) == [1, 4, 9, 16, None, 9]
    assert source.rounds[-1] == {"b": (3, 4, 13)}


async def test_a_round_has_a_bound() -> None:
    source = Source()
    source.open.set()
    gather: Gather[str, int, int] = Gather(source.run)
    found = await asyncio.gather(*(gather.ask("a", number) for number in range(100, 400)))
    assert found == [number * number for number in range(100, 400)]
    assert max(len(each["a"]) for each in source.rounds) <= MOST


async def test_a_failed_round_fails_those_who_asked_and_nobody_else() -> None:
    source = Source()
    source.open.set()
    gather: Gather[str, int, int] = Gather(source.run)
    with pytest.raises(ValueError, match="negative"):
        await gather.ask("a", -1)
    assert await gather.ask("a", 2) == 4


async def test_who_stops_waiting_takes_nothing_from_the_others() -> None:
    source = Source()
    gather: Gather[str, int, int] = Gather(source.run)
    impatient = asyncio.create_task(gather.ask("a", 2))
    patient = asyncio.create_task(gather.ask("a", 2))
    await _all_waiting()
    impatient.cancel()
    source.open.set()
    assert await patient == 4
