"""Jobs as rows: handed in and asked about under the caller's tenant, claimed by workers.

Requests, resumption states and outcomes may hold anything a resource holds, so they are sealed under
the tenant's key. A finished job is kept for `KEPT`.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.auth.kept_scopes import grant_with, text_of
from fhirserver.kernel import keys
from fhirserver.kernel.errors import TooManyRequests
from fhirserver.kernel.jobs import JobStatus
from fhirserver.kernel.ports import Transaction, Transactions
from fhirserver.kernel.principal import Access, Principal

KEPT: Final = timedelta(hours=24)
MOST_WAITING: Final = 100
MOST_LISTED: Final = 200


# Run by the scanning role without a transaction.
DUE: Final[LiteralString] = (
    "SELECT DISTINCT tenant FROM job WHERE state = 'waiting' OR (state = 'running' AND until < %s)"
)
FORGETTABLE: Final[LiteralString] = "SELECT DISTINCT tenant FROM job WHERE finished < %s"
_COLUMNS: Final[LiteralString] = (
    "id, kind, state, progress, total, submitted, finished, outcome, problem, problem_status, fault"
)
# Claims of one tenant wait for each other, so that two workers never start what must run alone.
_CLAIMING: Final = 0x6A6F62


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A job in the hands of one worker, opened."""

    tenant: int
    id: UUID
    kind: str
    owner: Principal
    submitted: Any
    attempts: int
    epoch: int
    progress: int
    total: int | None
    request: bytes
    saved: bytes


class JobRows:
    """Implements `fhirserver.kernel.jobs.JobQueue`, and what workers need beside it."""

    def __init__(self, transactions: Transactions) -> None:
        """Work through `transactions` of one tenant each."""
        self._transactions = transactions

    async def submit(
        self, tenant: int, kind: str, request: bytes, owner: Principal, held: str = ""
    ) -> str:
        """Keep a job and return its id. Raises `TooManyRequests` for a caller with too many open ones."""
        async with self._transactions(tenant) as tx:
            open_jobs = await tx.execute(
                "SELECT count(*) FROM job WHERE tenant = %s AND owner_kind = %s AND "
                "split_part(owner, E'\\n', 1) = %s "
                "AND state IN ('waiting', 'running')",
                (tenant, owner.kind, owner.reference),
            )
            if open_jobs[0][0] >= MOST_WAITING:
                msg = f"At most {MOST_WAITING} jobs of one caller wait; nothing was started."
                raise TooManyRequests(msg)
            row = keys.row_id(keys.unix_ms(tx.now), 0, secrets.randbits(64))
            await tx.execute(
                "INSERT INTO job (tenant, id, kind, state, owner_kind, owner, submitted, request) "
                "VALUES (%s, %s, %s, 'waiting', %s, %s, %s, %s)",
                (tenant, row, kind, owner.kind, _filed(owner.reference, held), tx.now,
                 await tx.seal(None, _place(row, "request"), request)),
            )  # fmt: skip
        return str(row)

    async def status(self, tenant: int, id_: str, asker: Access) -> JobStatus | None:
        """Return what is known of a job of the asker's."""
        row = keys.row_of(id_)
        if row is None:
            return None
        async with self._transactions(tenant) as tx:
            found = await tx.execute(
                "SELECT " + _COLUMNS + " FROM job WHERE tenant = %s AND id = %s AND " + _OWN,
                (tenant, row, *_own(asker)),
            )
            return await _status(tx, found[0]) if found else None

    async def listed(self, tenant: int, asker: Access) -> Sequence[JobStatus]:
        """Return the asker's jobs, newest first, without outcomes."""
        async with self._transactions(tenant) as tx:
            found = await tx.execute(
                "SELECT id, kind, state, progress, total, submitted, finished, NULL, NULL, problem_status, fault "
                "FROM job WHERE tenant = %s AND "
                + _OWN
                + " ORDER BY submitted DESC, id DESC LIMIT %s",
                (tenant, *_own(asker), MOST_LISTED),
            )
            return [await _status(tx, row) for row in found]

    async def cancel(self, tenant: int, id_: str, asker: Access) -> bool:
        """Mark an open job of the asker's, remove one that has not begun or has ended."""
        row = keys.row_of(id_)
        if row is None:
            return False
        async with self._transactions(tenant) as tx:
            found = await tx.execute(
                "SELECT state FROM job WHERE tenant = %s AND id = %s AND " + _OWN + " FOR UPDATE",
                (tenant, row, *_own(asker)),
            )
            if not found:
                return False
            change: LiteralString = (
                "UPDATE job SET cancel = true WHERE tenant = %s AND id = %s"
                if found[0][0] == "running"
                else "DELETE FROM job WHERE tenant = %s AND id = %s"
            )
            await tx.execute(change, (tenant, row))
        return True

    async def claim(
        self, tenant: int, kinds: Collection[str], lease: timedelta, *, alone: bool
    ) -> ClaimedRow | None:
        """Take the oldest due job of `kinds`, None without one.

        `alone`: only while no other job of these kinds runs in the tenant.
        """
        async with self._transactions(tenant) as tx:
            await tx.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_CLAIMING, tenant))
            others = await tx.execute(
                "SELECT 1 FROM job WHERE tenant = %s AND kind = ANY (%s) AND state = 'running' "
                "AND until >= %s LIMIT 1",
                (tenant, sorted(kinds), tx.now),
            )
            if alone and others:
                return None
            found = await tx.execute(
                "UPDATE job SET state = 'running', epoch = epoch + 1, attempts = attempts + 1, until = %s "
                "WHERE tenant = %s AND id = (SELECT id FROM job WHERE tenant = %s AND kind = ANY (%s) "
                "AND (state = 'waiting' OR (state = 'running' AND until < %s)) ORDER BY submitted, id LIMIT 1 "
                "FOR UPDATE SKIP LOCKED) RETURNING id, kind, owner_kind, owner, submitted, attempts, epoch, "
                "progress, total, request, saved",
                (tx.now + lease, tenant, tenant, sorted(kinds), tx.now),
            )
            if not found:
                return None
            row, kind, owner_kind, owner, submitted, attempts, epoch, progress, total, *sealed = (
                found[0]
            )
            return ClaimedRow(
                tenant, row, kind, Principal(tenant, owner_kind, owner.partition("\n")[0]), submitted,
                attempts, epoch,
                progress, total,
                request=await tx.unseal(None, _place(row, "request"), sealed[0]),
                saved=b"" if sealed[1] is None else await tx.unseal(None, _place(row, "saved"), sealed[1]),
            )  # fmt: skip

    async def save(
        self,
        claimed: ClaimedRow,
        lease: timedelta,
        progress: int | None = None,
        total: int | None = None,
        saved: bytes | None = None,
    ) -> bool | None:
        """Renew the claim and save what is given; return whether a cancellation was asked for, None when it is lost."""
        async with self._transactions(claimed.tenant) as tx:
            sealed = (
                None if saved is None else await tx.seal(None, _place(claimed.id, "saved"), saved)
            )
            found = await tx.execute(
                "UPDATE job SET until = %s, progress = coalesce(%s, progress), total = coalesce(%s, total), "
                "saved = coalesce(%s, saved), attempts = CASE WHEN %s::bytea IS NULL THEN attempts ELSE 0 END "
                "WHERE tenant = %s AND id = %s AND epoch = %s AND state = 'running' RETURNING cancel",
                (tx.now + lease, progress, total, sealed, sealed, claimed.tenant, claimed.id, claimed.epoch),
            )  # fmt: skip
            return bool(found[0][0]) if found else None

    async def hold(self, tx: Transaction, claimed: ClaimedRow) -> bool:
        """Lock the row until `tx` ends and return whether the claim still stands."""
        found = await tx.execute(
            "SELECT 1 FROM job WHERE tenant = %s AND id = %s AND epoch = %s AND state = 'running' FOR UPDATE",
            (claimed.tenant, claimed.id, claimed.epoch),
        )
        return bool(found)

    async def finish(self, claimed: ClaimedRow, outcome: bytes) -> None:
        """Keep what the work returned, unless the claim is lost."""
        async with self._transactions(claimed.tenant) as tx:
            sealed = await tx.seal(None, _place(claimed.id, "outcome"), outcome)
            await self._end(tx, claimed, "done", outcome=sealed)

    async def fail(self, claimed: ClaimedRow, problem: bytes, status: int, fault: str) -> None:
        """Keep why it failed: `problem` for the caller, `fault` for the operator."""
        async with self._transactions(claimed.tenant) as tx:
            sealed = await tx.seal(None, _place(claimed.id, "problem"), problem)
            await self._end(tx, claimed, "failed", problem=sealed, status=status, fault=fault)

    async def end_cancelled(self, claimed: ClaimedRow) -> None:
        """Note that the work has stopped as it was asked to."""
        async with self._transactions(claimed.tenant) as tx:
            await self._end(tx, claimed, "cancelled")

    async def give_back(self, claimed: ClaimedRow, fault: str) -> None:
        """Let the job be claimed anew, from where it saved last; without a `fault` this was no attempt."""
        async with self._transactions(claimed.tenant) as tx:
            await tx.execute(
                "UPDATE job SET state = 'waiting', until = NULL, fault = coalesce(%s, fault), "
                "attempts = greatest(attempts - %s, 0) "
                "WHERE tenant = %s AND id = %s AND epoch = %s AND state = 'running'",
                (fault or None, 0 if fault else 1, claimed.tenant, claimed.id, claimed.epoch),
            )

    async def forget(self, tenant: int) -> None:
        """Remove what ended longer than `KEPT` ago."""
        async with self._transactions(tenant) as tx:
            await tx.execute(
                "DELETE FROM job WHERE tenant = %s AND finished < %s", (tenant, tx.now - KEPT)
            )

    async def _end(
        self,
        tx: Transaction,
        claimed: ClaimedRow,
        state: str,
        *,
        outcome: bytes | None = None,
        problem: bytes | None = None,
        status: int | None = None,
        fault: str | None = None,
    ) -> None:
        await tx.execute(
            "UPDATE job SET state = %s, finished = %s, until = NULL, saved = NULL, outcome = %s, problem = %s, "
            "problem_status = %s, fault = coalesce(%s, fault), progress = CASE WHEN %s = 'done' "
            "THEN coalesce(total, progress) ELSE progress END "
            "WHERE tenant = %s AND id = %s AND epoch = %s AND state = 'running'",
            (state, tx.now, outcome, problem, status, fault, state, claimed.tenant, claimed.id, claimed.epoch),
        )  # fmt: skip


async def last_done(tx: Transaction, kind: str) -> JobStatus | None:
    """Return the job of `kind` that was done last in the tenant of `tx`, None when none is remembered."""
    found = await tx.execute(
        "SELECT " + _COLUMNS + " FROM job WHERE tenant = %s AND kind = %s AND state = 'done' "
        "ORDER BY finished DESC LIMIT 1",
        (tx.tenant, kind),
    )
    return await _status(tx, found[0]) if found else None


# What narrows a token stands behind its owner, on a line of its own; a token that nothing narrows sees them all.
_OWN: Final[LiteralString] = (
    "(%s OR (owner_kind = %s AND (owner = %s OR split_part(owner, E'\\n', 1) = %s)))"
)


def _own(asker: Access) -> tuple[Any, ...]:
    caller = asker.principal
    filed = _filed(caller.reference, text_of(grant_with(asker)))
    every = caller.reference if asker.scopes is None else None
    return (asker.everything, caller.kind, filed, every)


def _filed(reference: str, held: str) -> str:
    return f"{reference}\n{held}" if held else reference


def _place(row: UUID, part: str) -> str:
    return f"job|{row}|{part}"


async def _status(tx: Transaction, row: Sequence[Any]) -> JobStatus:
    id_, kind, state, progress, total, submitted, finished, outcome, problem, status, fault = row
    return JobStatus(
        id=str(id_),
        kind=kind,
        state=state,
        progress=progress,
        total=total,
        submitted=submitted,
        finished=finished,
        outcome=None if outcome is None else await tx.unseal(None, _place(id_, "outcome"), outcome),
        problem=None if problem is None else await tx.unseal(None, _place(id_, "problem"), problem),
        problem_status=status or 500,
        fault=fault,
    )
