"""Records what became of deliveries: many results in one transaction.

Whoever comes while results of its tenant are being written leaves its own for the next transaction:
under load they share one, otherwise each is written at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import structlog

from fhirserver.kernel.errors import Conflict, Unavailable
from fhirserver.kernel.ports import Transaction
from subscriptions.channels import disclosure
from subscriptions.channels.channel import Channel
from subscriptions.core.client_subscription import wishes
from subscriptions.core.delivery import (
    CallOperator,
    Command,
    Cursor,
    Declare,
    Handed,
    Looked,
    Missed,
    SetAside,
    step,
)
from subscriptions.core.incident_task import operator_task
from subscriptions.store import attempt_rows, cursor_rows, dead_letter_rows
from subscriptions.store.cursor_rows import Claim, Saved
from subscriptions.worker.parcels import Shipment
from subscriptions.worker.ports import Settled, Transactions

_log = structlog.get_logger("delivery")
_AT_ONCE: Final = 100
_TRIES: Final = 60
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the delivery of a leased Subscription; without `shipment` nothing was sent."""

    claim: Claim
    event: Handed | Missed
    shipment: Shipment | None


class Settling:
    """Writes results of one process. `settled` is told of each, and whether more is due already."""

    def __init__(
        self,
        *,
        channels: Mapping[str, Channel],
        transactions: Transactions,
        settled: Settled,
    ) -> None:
        """Work through `transactions`; `channels` by their code."""
        self._channels = channels
        self._transactions = transactions
        self._settled = settled
        self._waiting: dict[int, list[Result]] = {}
        self._busy: set[int] = set()

    async def settle(self, tenant: int, result: Result) -> None:
        """Record `result`, or leave it to whoever is recording results of `tenant` just now."""
        waiting = self._waiting.setdefault(tenant, [])
        waiting.append(result)
        if tenant in self._busy:
            return
        self._busy.add(tenant)
        try:
            while waiting:
                batch = waiting[:_AT_ONCE]
                del waiting[:_AT_ONCE]
                await self._insist(tenant, batch)
        finally:
            self._busy.discard(tenant)

    async def _insist(self, tenant: int, batch: Sequence[Result]) -> None:
        """Record `batch`, again when it failed for the moment: what was sent is sent."""
        due: Mapping[str, bool] = {}
        try:
            due = await insist(lambda: self._record(tenant, batch))
        except (Conflict, Unavailable) as problem:
            # Their leases end; whoever takes them over sends again.
            _log.warning("given up", problem=type(problem).__name__, count=len(batch))
        except Exception as problem:  # noqa: BLE001 - one result must not take the others with it
            _log.error("not recorded", problem=type(problem).__name__, count=len(batch))
            if len(batch) > 1:
                for result in batch:
                    await self._insist(tenant, [result])
                return
        for result in batch:
            subscription = result.claim.subscription
            self._settled(tenant, subscription, more=due.get(subscription, False))

    async def _record(self, tenant: int, batch: Sequence[Result]) -> Mapping[str, bool]:
        """Return whether each Subscription has more to do at once."""
        due: dict[str, bool] = {}
        async with self._transactions(tenant) as tx:
            declaring = [r for r in batch if _declares(step(r.claim.cursor, r.event, tx.now)[1])]
            await tx.lock([("Subscription", r.claim.subscription) for r in declaring])
            ids = [r.claim.subscription for r in batch]
            claims = await cursor_rows.locked(tx, ids, skip_busy=False)
            saved: list[Saved] = []
            commands: list[tuple[str, Sequence[Command]]] = []
            for result in batch:
                subscription = result.claim.subscription
                claim = claims.get(subscription)
                if claim is None:
                    continue
                after, asked = step(claim.cursor, result.event, tx.now)
                due[subscription] = after.due_at is not None and after.due_at <= tx.now
                if after is not claim.cursor:
                    saved.append(_counted(claim, after, result))
                    _answer_letter(tx, result)
                commands.append((subscription, asked))
            results = [_result(r) for r in batch if r.shipment is not None]
            attempt_rows.finish_later(tx, results)
            _disclose(tx, batch)
            cursor_rows.save_later(tx, saved)
            await carry_out(tx, commands)
        return due

    async def declare(self, tenant: int, subscription: str) -> None:
        """Write into its resource what looking at a due Subscription comes to: that it ended, say."""
        async with self._transactions(tenant) as tx:
            resource = await tx.get("Subscription", subscription, lock=True)
            found = await cursor_rows.locked(tx, [subscription], skip_busy=False)
            claim = found.get(subscription)
            if claim is None or resource is None:
                return
            needs = self._channels[claim.channel].needs_handshake
            cursor = replace(claim.cursor, shakes=needs and not wishes(resource).plain)
            after, commands = step(cursor, Looked(), tx.now)
            if _declares(commands):
                cursor_rows.save_later(tx, [Saved(claim, after)])
                await carry_out(tx, [(subscription, commands)])


async def insist(act: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Return what `act` returns, trying again for a minute while the database is not to be had."""
    pause = _FIRST_PAUSE
    for _ in range(_TRIES):
        try:
            return await act()
        except (Conflict, Unavailable):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
    return await act()


async def carry_out(tx: Transaction, commands: Sequence[tuple[str, Sequence[Command]]]) -> None:
    """Do, in the transaction that saves the cursors, what their steps ask for."""
    aside: list[tuple[str, SetAside]] = []
    for subscription, several in commands:
        for command in several:
            match command:
                case SetAside():
                    aside.append((subscription, command))
                case Declare():
                    await _declare(tx, subscription, command)
                case CallOperator():
                    await tx.put(operator_task(None, "subscription-error", tx.now))
    dead_letter_rows.keep_later(tx, aside)


async def _declare(tx: Transaction, subscription: str, command: Declare) -> None:
    resource = await tx.get("Subscription", subscription, lock=True)
    if resource is None:
        return
    said = {key: value for key, value in resource.items() if key != "error"}
    if command.why is not None:
        said["error"] = command.why
    await tx.put({**said, "status": command.status}, id_=subscription)
    _log.info("declared", subscription=subscription, status=command.status, why=command.why)


def _declares(commands: Sequence[Command]) -> bool:
    return any(isinstance(one, Declare) for one in commands)


def _counted(claim: Claim, cursor: Cursor, result: Result) -> Saved:
    if result.shipment is None:
        return Saved(claim, cursor)
    handed = isinstance(result.event, Handed)
    return Saved(claim, cursor, handed=int(handed), missed=int(not handed))


def _answer_letter(tx: Transaction, result: Result) -> None:
    """Note at what was sent again for an administrator how that went."""
    letter = None if result.shipment is None else result.shipment.letter
    if letter is None:
        return
    if isinstance(result.event, Handed):
        dead_letter_rows.settle_later(tx, letter, sent=True)
    elif result.event.verdict == "never-this":
        dead_letter_rows.settle_later(tx, letter, sent=False)


def _disclose(tx: Transaction, batch: Sequence[Result]) -> None:
    """Tell the audit of every notification that carried events."""
    for one in batch:
        shipment = one.shipment
        if shipment is None or not shipment.carried:
            continue
        disclosure.of_parcel(
            tx,
            (one.claim.subscription,),
            shipment.patients,
            shipment.parcel.endpoint,
            one.claim.owner,
            one.claim.channel,
            _result(one).outcome,
        )


def _result(result: Result) -> attempt_rows.Result:
    if result.shipment is None:
        raise ValueError("nothing was attempted")
    attempt = result.shipment.parcel.attempt
    if isinstance(result.event, Handed):
        return attempt_rows.Result(attempt, "handed-over", None)
    outcome: attempt_rows.Outcome = (
        "refused" if result.event.verdict == "never-this" else "unavailable"
    )
    return attempt_rows.Result(attempt, outcome, result.event.reason)
