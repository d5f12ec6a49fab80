"""Questions of many callers at once, gathered into few rounds.

A round trip costs the same for one row as for thirty. While a round is under way, new questions wait and are asked
together in the next one; an idle server asks at once, so that nobody waits for company. One round is under way at a
time: what more of them save in waiting they lose in company.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from itertools import islice
from typing import Final, Generic, TypeVar

Group = TypeVar("Group", bound=Hashable)
Item = TypeVar("Item", bound=Hashable)
Answer = TypeVar("Answer")

Round = Mapping[Group, tuple[Item, ...]]
# Questions in one round.
MOST: Final = 64


class Gather(Generic[Group, Item, Answer]):
    """Asks `run` for many (group, item) pairs at once; the same pair waiting twice is asked once."""

    def __init__(
        self,
        run: Callable[[Round[Group, Item]], Awaitable[Mapping[tuple[Group, Item], Answer]]],
        most: int = MOST,
    ) -> None:
        """`run` answers a round of at most `most` pairs; a pair it leaves out has no answer."""
        self._run = run
        self._most = most
        self._waiting: dict[tuple[Group, Item], list[asyncio.Future[Answer | None]]] = {}
        self._round: asyncio.Task[None] | None = None

    async def ask(self, group: Group, item: Item) -> Answer | None:
        """Return the answer, None when there is none. Raises what the round raised."""
        future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault((group, item), []).append(future)
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            pairs = list(islice(self._waiting, self._most))
            asked = {pair: self._waiting.pop(pair) for pair in pairs}
            groups: dict[Group, list[Item]] = {}
            for group, item in pairs:
                groups.setdefault(group, []).append(item)
            try:
                found = await self._run({group: tuple(each) for group, each in groups.items()})
            except Exception as error:  # noqa: BLE001 - it belongs to those who asked
                for futures in asked.values():
                    _fail(futures, error)
                continue
            for pair, futures in asked.items():
                answer = found.get(pair)
                for future in futures:
                    if not future.done():
                        future.set_result(answer)


def _fail(futures: list[asyncio.Future[Answer | None]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
