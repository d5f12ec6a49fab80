"""Forgets what a tenant's policy no longer keeps: old versions, AuditEvents, device readings.

Weeks of telemetry are replaced by a table with what must be kept of them; everything else goes in
batches. Nothing goes that is evidence (`fhirserver.kernel.evidence`): what Flags protect is read first,
and at the moment of each deletion Flags are held still and compared with what was read.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

import orjson

from fhirserver.definitions import Definitions
from fhirserver.kernel import keys
from fhirserver.kernel.audit import Actor, Happening
from fhirserver.kernel.evidence import EVIDENCE_TYPES
from fhirserver.kernel.jobs import Running
from fhirserver.kernel.ports import Transaction, Transactions
from fhirserver.kernel.resource import Json
from fhirserver.kernel.retention import RetentionPolicy
from fhirserver.store import policies
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.evidence import Evidence, evidence_of
from fhirserver.store.removal import (
    IS_HELD,
    hold,
    hold_flags,
    newly_held,
    remove,
    remove_versions,
)
from fhirserver.store.reseal import UPKEEP
from fhirserver.wire import fhir_json

BATCH: Final = 1_000
# A week is replaced when at most this share of it must be kept; otherwise copying would be the longer way.
MOST_KEPT: Final = 0.5
STEPS: Final = ("history", "audit", "telemetry")


_EXPIRED: Final[LiteralString] = (
    (
        "SELECT r.bucket, r.id FROM resource r WHERE r.type = %s AND r.tenant = %s AND r.id > %s "
        "AND r.id < %s AND NOT (r.id = ANY (%s)) AND (%s OR (r.version = 1 AND NOT r.deleted AND EXISTS "
        "(SELECT 1 FROM unnest(r.keys) k WHERE k = ANY (%s)))) AND NOT "
    )
    + IS_HELD
    + " ORDER BY r.id LIMIT %s"
)
_LEAVES: Final[LiteralString] = (
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'current_observation'::regclass AND c.relname ~ '^current_observation_[0-9]{8}$' ORDER BY 1"
)
_SHARE: Final[LiteralString] = (
    "SELECT count(*), count(*) FILTER (WHERE r.tenant = %s AND r.id < %s AND r.version = 1 AND NOT r.deleted "
    "AND EXISTS (SELECT 1 FROM unnest(r.keys) k WHERE k = ANY (%s)) AND NOT "
    + IS_HELD
    + ") FROM resource r "
    "WHERE r.type = %s AND r.id >= %s AND r.id < %s"
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is: its step, the last row (or leaf) done there, and what was removed."""

    step: int = 0
    after: tuple[Any, ...] = ()
    versions: int = 0
    audit_events: int = 0
    readings: int = 0
    weeks: int = 0

    @property
    def removed(self) -> int:
        """How many rows are gone."""
        return self.versions + self.audit_events + self.readings


class Retention:
    """The work of a `retention` job: applies the tenant's policy as it stands when the job begins."""

    def __init__(
        self,
        transactions: Transactions,
        data_keys: DataKeys,
        definitions_of: Callable[[int], Definitions],
        *,
        batch: int = BATCH,
        most_kept: float = MOST_KEPT,
    ) -> None:
        """Work through `transactions` of a worker's role."""
        self.transactions = transactions
        self.keys = data_keys
        self.definitions_of = definitions_of
        self.batch = batch
        self.most_kept = most_kept

    async def __call__(self, job: Running) -> bytes:
        """Return a Parameters resource with what was removed."""
        definitions = self.definitions_of(job.tenant)
        async with self.transactions(job.tenant) as tx:
            evidence = await evidence_of(tx, self.keys, definitions)
            policy, began = await policies.read(tx), tx.now
        at = Progress()
        if job.saved:
            saved = orjson.loads(job.saved)
            policy = RetentionPolicy(**saved["policy"])
            began = datetime.fromisoformat(saved["began"])
            at = Progress(**{**saved["at"], "after": tuple(saved["at"]["after"])})
        run = _Run(self, job, definitions, evidence)
        days = (policy.history_days, policy.audit_days, policy.telemetry_days)
        steps = (run.history, run.audit, run.telemetry)
        while at.step < len(steps):
            kept = days[at.step]
            following = (
                None if kept is None else await steps[at.step](at, began - timedelta(days=kept))
            )
            at = replace(at, step=at.step + 1, after=()) if following is None else following
            state = {"policy": asdict(policy), "at": asdict(at), "began": began.isoformat()}
            await job.advance(at.removed, None, orjson.dumps(state))
        return fhir_json.write(_report(at))


class _Run:
    """One run, for as long as the evidence it has read is what Flags protect."""

    def __init__(
        self, of: Retention, job: Running, definitions: Definitions, evidence: Evidence
    ) -> None:
        self._of = of
        self._job = job
        self._tenant = job.tenant
        self._definitions = definitions
        self._evidence = evidence

    async def history(self, at: Progress, before: datetime) -> Progress | None:
        """Remove versions replaced before `before`, of one batch of versions; None behind the last."""
        definitions = self._definitions
        kept_types = [definitions.type_number(one) for one in sorted(EVIDENCE_TYPES)]
        observation = definitions.type_number("Observation")
        position = at.after or (-1, -1, str(UUID(int=0)), 0)
        async with self._deleting() as tx:
            rows = await tx.execute(
                "SELECT h.type, h.bucket, h.id, h.version, coalesce(n.updated, r.updated) < %s AND NOT "
                "(h.type = %s AND (h.id = ANY (%s) OR coalesce(r.deleted, true) OR " + IS_HELD + ")) "
                "FROM resource_history h "
                "LEFT JOIN resource_history n ON n.type = h.type AND n.bucket = h.bucket AND n.id = h.id "
                "AND n.version = h.version + 1 "
                "LEFT JOIN resource r ON r.type = h.type AND r.bucket = h.bucket AND r.id = h.id "
                "WHERE h.tenant = %s AND NOT (h.type = ANY (%s)) AND (h.type, h.bucket, h.id, h.version) > (%s, %s, %s, %s) "
                "ORDER BY h.type, h.bucket, h.id, h.version LIMIT %s",
                (before, observation, list(self._evidence.rows), False, self._tenant, kept_types, *position, self._of.batch),
            )  # fmt: skip
            doomed = [row[:4] for row in rows if row[4]]
            if doomed:
                readings = [row[2] for row in doomed if row[0] == observation]
                held = await self._become_evidence(tx, observation, readings)
                doomed = [row for row in doomed if row[2] not in held]
            if doomed:
                await remove_versions(tx, doomed)
        if not rows:
            return None
        type_, bucket, row, version, _ = rows[-1]
        return replace(
            at, versions=at.versions + len(doomed), after=(type_, bucket, str(row), version)
        )

    async def audit(self, at: Progress, before: datetime) -> Progress | None:
        """Remove one batch of AuditEvents received before `before`; None behind the last."""
        number = self._definitions.type_number("AuditEvent")
        after = at.after[0] if at.after else str(UUID(int=0))
        swept = await self._sweep(number, after, before, None)
        if swept is None:
            return None
        return replace(at, audit_events=at.audit_events + swept[0], after=(swept[1],))

    async def telemetry(self, at: Progress, before: datetime) -> Progress | None:
        """Replace one week of readings, or remove a batch of those that are in no such week."""
        number = self._definitions.type_number("Observation")
        telemetry = await self._devices()
        if not at.after or at.after[0] != "":
            # Weeks first, by name; then, behind an empty name, the rows of weeks that were not replaced.
            week = await self._next_week(at.after[0] if at.after else "", before)
            if week is None:
                return replace(at, after=("", str(UUID(int=0))))
            dropped = await self._replace_week(week, before, telemetry)
            return replace(
                at,
                after=(week,),
                readings=at.readings + (dropped or 0),
                weeks=at.weeks + (dropped is not None),
            )
        swept = await self._sweep(number, at.after[1], before, telemetry)
        if swept is None:
            return None
        return replace(at, readings=at.readings + swept[0], after=("", swept[1]))

    async def _next_week(self, after: str, before: datetime) -> str | None:
        """Return the next partition of readings all received before `before`."""
        async with self._of.transactions(self._tenant) as tx:
            leaves = [row[0] for row in await tx.execute(_LEAVES)]
        return next((one for one in leaves if one > after and _week(one)[1] <= before), None)

    async def _replace_week(self, leaf: str, before: datetime, telemetry: list[int]) -> int | None:
        """Return how many rows went with the old table; None when it was left, as too much must be kept."""
        number = self._definitions.type_number("Observation")
        starts, ends = (keys.first_row_at(one) for one in _week(leaf))
        limit = keys.first_row_at(before)
        async with self._of.transactions(self._tenant) as tx:
            await hold(tx, self._evidence)
            counted = await tx.execute(
                _SHARE, (self._tenant, limit, telemetry, False, number, starts, ends)
            )
        every, expired = counted[0]
        if not expired or every - expired > every * self._of.most_kept:
            return None
        async with self._of.transactions(self._tenant) as tx:
            await self._job.require_claim(tx)
            await hold(tx, self._evidence)
            await tx.execute(
                "SELECT copy_observation_leaf(%s, %s, %s, %s::bigint[], %s::uuid[])",
                (leaf, self._tenant, limit, telemetry, list(self._evidence.rows)),
            )
            added = await hold_flags(tx, self._of.keys, self._definitions, self._evidence)
            kept = await tx.execute(
                "SELECT swap_observation_leaf(%s, %s::uuid[], %s)",
                (leaf, list(added.rows), bool(added.incidents)),
            )
            await tx.execute(
                "DELETE FROM resource_location l WHERE l.tenant = %s AND l.type = %s AND l.id >= %s AND l.id < %s "
                "AND NOT EXISTS (SELECT 1 FROM resource r WHERE r.type = %s AND r.id >= %s AND r.id < %s AND r.id = l.id)",
                (self._tenant, number, starts, ends, number, starts, ends),
            )  # fmt: skip
        self._evidence = self._evidence.plus(added)
        return int(every - kept[0][0])

    async def _sweep(
        self,
        number: int,
        after: str,
        before: datetime,
        telemetry: list[int] | None,
    ) -> tuple[int, str] | None:
        """Remove one batch of current rows of a type received before `before`.

        With `telemetry` only what those devices measured and nobody amended. Returns how many went
        and the position behind them, None when there were none.
        """
        async with self._deleting() as tx:
            rows = await tx.execute(
                _EXPIRED,
                (number, self._tenant, UUID(after), keys.first_row_at(before),
                 list(self._evidence.rows), telemetry is None, telemetry or [], telemetry is None, self._of.batch),
            )  # fmt: skip
            if not rows:
                return None
            ids = [row[1] for row in rows]
            held = await self._become_evidence(tx, number, ids, several=telemetry is None)
            doomed = [(row[0], row[1]) for row in rows if row[1] not in held]
            await remove(tx, number, doomed)
            if doomed and telemetry is None:
                # The log of AuditEvents learns from this which of its events may be missing.
                told = f"before {before.isoformat()}"
                actor = Actor(kind="system")
                tx.audit(Happening(self._tenant, "expired", tx.now, actor, detail=told))
        return len(doomed), str(ids[-1])

    async def _devices(self) -> list[int]:
        """Return the keys by which an Observation names an enrolled device, or a metric of one."""
        own = await self._of.keys.tenant(self._tenant)
        constant = own.blind.parameter_constant("Observation", "device")
        number = self._definitions.type_number("DeviceMetric")
        async with self._of.transactions(self._tenant) as tx:
            devices = await tx.execute(
                "SELECT DISTINCT device FROM device_enrollment WHERE tenant = %s", (self._tenant,)
            )
            metrics = await tx.execute(
                "SELECT own FROM resource WHERE type = %s AND tenant = %s", (number, self._tenant)
            )
        return sorted(
            {own.blind.own(f"Device/{row[0]}") ^ constant for row in devices}
            | {row[0] ^ constant for row in metrics}
        )

    @asynccontextmanager
    async def _deleting(self) -> AsyncIterator[Transaction]:
        """Open a transaction in which the table `held` is the evidence."""
        async with self._of.transactions(self._tenant) as tx:
            await self._job.require_claim(tx)
            await hold(tx, self._evidence)
            await tx.execute(UPKEEP)
            yield tx

    async def _become_evidence(
        self, tx: Transaction, number: int, ids: Sequence[UUID], *, several: bool = False
    ) -> frozenset[UUID]:
        """Hold Flags still and return which of these rows have become evidence in the last moment."""
        added = await hold_flags(tx, self._of.keys, self._definitions, self._evidence)
        self._evidence = self._evidence.plus(added)
        return await newly_held(tx, number, ids, added, several=several)


def _week(leaf: str) -> tuple[datetime, datetime]:
    """Return the span of receive times a partition is for."""
    start = datetime.fromisoformat(leaf.rpartition("_")[2] + "T00:00:00+00:00")
    return start, start + timedelta(days=7)


def _report(at: Progress) -> Json:
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "versions", "valueDecimal": at.versions},
            {"name": "auditEvents", "valueDecimal": at.audit_events},
            {"name": "readings", "valueDecimal": at.readings},
            {"name": "weeksReplaced", "valueDecimal": at.weeks},
        ],
    }
