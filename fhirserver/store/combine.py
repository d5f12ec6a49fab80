"""Small writes of concurrent requests share a transaction.

A transaction costs a few round trips whether it writes one resource or twenty, and those cost more than everything
else a small write does. While one transaction is under way, further requests wait and go together into the next one;
an idle server begins at once, so that nobody waits for company.

A piece of work that refuses leaves the others alone. When the transaction itself fails (an observer refuses, the
database chose it to end a deadlock), every piece is run again in one of its own, and only the culprit fails.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhirserver.kernel.errors import FhirError
from fhirserver.store.opening import open_transaction
from fhirserver.store.transaction import WriteTransaction
from fhirserver.store.write_context import WriteContext

Target = tuple[str, str]
Work = Callable[[WriteTransaction], Awaitable[Any]]
Alone = Callable[[int, Work], Awaitable[Any]]

# Transactions under way at once. One: the more wait, the more share the next one, and what that saves is worth more
# than the wait of the database for Python. Others begin beside one that takes long, which waits for somebody's lock.
ROUNDS: Final = 4
# Seconds after which a transaction takes long.
PATIENCE: Final = 0.05
# Pieces of work in one transaction.
MOST: Final = 32


class _Spoilt(Exception):
    """A piece of work failed after it had written something: nothing of this transaction can stay."""


@dataclass(slots=True, eq=False)
class _Piece:
    tenant: int
    touching: Sequence[Target]
    work: Work
    answer: asyncio.Future[Any]


class Combine:
    """Runs pieces of work, several in one transaction where they come at the same time."""

    def __init__(self, context: WriteContext, alone: Alone) -> None:
        """Open transactions in `context`; `alone` runs one piece in a transaction of its own."""
        self._context = context
        self._alone = alone
        self._waiting: deque[_Piece] = deque()
        self._touched: set[tuple[int, Target]] = set()
        self._rounds: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._late: set[object] = set()
        self._lonely: set[asyncio.Task[None]] = set()

    async def run(self, tenant: int, touching: Sequence[Target], work: Work) -> Any:
        """Return what `work` returns, once it is committed.

        It may read and write the resources `touching` and make new ones, and must be repeatable.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Piece(tenant, touching, work, answer))
        self._begin()
        return await answer

    def _begin(self) -> None:
        """Begin a transaction for who is waiting, unless one is under way that will take them along."""
        if self._waiting and len(self._late) == self._under_way < ROUNDS:
            self._under_way += 1
            _start(self._go_on(), self._rounds)

    def _is_late(self, transaction: object) -> None:
        self._late.add(transaction)
        self._begin()

    async def _go_on(self) -> None:
        while pieces := self._next():
            touched = {(one.tenant, target) for one in pieces for target in one.touching}
            self._touched |= touched
            transaction = object()
            late = asyncio.get_running_loop().call_later(PATIENCE, self._is_late, transaction)
            try:
                left = await self._together(pieces)
            finally:
                late.cancel()
                self._late.discard(transaction)
                self._touched -= touched
            # Not waited for here: a row that a long transaction holds must not hold up everybody else.
            for piece in left:
                _start(self._by_itself(piece), self._lonely)
        self._under_way -= 1

    def _next(self) -> list[_Piece]:
        """Take pieces of one tenant that touch different resources, and none that is being written."""
        chosen: list[_Piece] = []
        passed: list[_Piece] = []
        busy = set(self._touched)
        while self._waiting and len(chosen) < MOST:
            piece = self._waiting.popleft()
            targets = {(piece.tenant, target) for target in piece.touching}
            if (chosen and piece.tenant != chosen[0].tenant) or targets & busy:
                passed.append(piece)
            else:
                chosen.append(piece)
            # Who comes later must not overtake whoever waits for the same resource.
            busy |= targets
        self._waiting.extendleft(reversed(passed))
        return chosen

    async def _together(self, pieces: Sequence[_Piece]) -> Sequence[_Piece]:
        """Run `pieces` in one transaction and return those that still have to be run alone."""
        answers: list[tuple[_Piece, Any]] = []
        refusals: list[tuple[_Piece, FhirError]] = []
        try:
            async with open_transaction(self._context, pieces[0].tenant, WriteTransaction) as tx:
                tx.can_run_again = True
                free = await tx.lock_free([target for one in pieces for target in one.touching])
                held = [one for one in pieces if not free >= set(one.touching)]
                for piece in pieces:
                    if piece not in held:
                        await _run(tx, piece, answers, refusals)
        except Exception:  # noqa: BLE001 - each is run again alone, and fails by itself if it must
            return pieces
        for piece, result in answers:
            if not piece.answer.done():
                piece.answer.set_result(result)
        for piece, refusal in refusals:
            if not piece.answer.done():
                piece.answer.set_exception(refusal)
        return held

    async def _by_itself(self, piece: _Piece) -> None:
        try:
            result = await self._alone(piece.tenant, piece.work)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            if not piece.answer.done():
                piece.answer.set_exception(error)
        else:
            if not piece.answer.done():
                piece.answer.set_result(result)


def _start(work: Coroutine[Any, Any, None], running: set[asyncio.Task[None]]) -> None:
    task = asyncio.create_task(work)
    running.add(task)
    task.add_done_callback(running.discard)


async def _run(
    tx: WriteTransaction,
    piece: _Piece,
    answers: list[tuple[_Piece, Any]],
    refusals: list[tuple[_Piece, FhirError]],
) -> None:
    written = tx.written
    try:
        answers.append((piece, await piece.work(tx)))
    except FhirError as refusal:
        if tx.written != written:
            raise _Spoilt from refusal
        refusals.append((piece, refusal))
