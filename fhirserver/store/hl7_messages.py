"""Rows of `hl7_message`: what interfaces sent, under the tenant's key. Implements `fhirserver.kernel.hl7.HeldMessages`.

The unique key of sender and control id is what makes a message that is sent again have no second effect: of two
transactions with the same new one the second fails, with all its effect, and finds it known when it is run again.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from fhirserver.crypto.envelope import Tampered
from fhirserver.kernel import keys
from fhirserver.kernel.hl7 import AlarmTold, Before, Claim, ComingMessage, Outcome, Settled
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.telemetry import DeadLetter
from fhirserver.store import dead_letters, hl7_alarms
from fhirserver.store.columns import array, run_of, texts
from fhirserver.wire import fhir_json

_LISTED: Final[LiteralString] = (
    "SELECT id, sender, control_id, kind, received, outcome, reason, attempts FROM hl7_message WHERE tenant = %s "
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as an operator sees it in a list; nothing here was sealed."""

    id: UUID
    sender: str
    control_id: str
    kind: str
    received: datetime
    outcome: Outcome
    reason: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A message, how it came in, and the report about it (JSON, empty for none). `patients` are whose it is known to be."""

    listed: Listed
    raw: bytes
    report: bytes
    patients: tuple[str, ...]


class HeldMessages:
    """Works within transactions of the caller's."""

    async def claim(self, tx: Transaction, coming: Sequence[ComingMessage]) -> Sequence[Claim]:
        """Lock what is known; what is new is written by `settle`, whole and once."""
        buckets = [
            keys.bucket_of(tx.tenant, "hl7-message", f"{one.sender}|{one.control_id}")
            for one in coming
        ]
        known = await self._known(tx, coming, buckets)
        now = keys.unix_ms(tx.now)
        claims = []
        for one, bucket in zip(coming, buckets, strict=True):
            row, before = known.get((one.sender, one.control_id), (None, None))
            if row is None:
                row = keys.row_id(now, bucket, secrets.randbits(64))
            claims.append(Claim(row, bucket, before, one))
        return claims

    async def _known(
        self, tx: Transaction, coming: Sequence[ComingMessage], buckets: Sequence[int]
    ) -> dict[tuple[str, str], tuple[UUID, Before]]:
        found = await tx.execute(
            "SELECT m.sender, m.control_id, m.id, m.outcome, m.reason, m.patient, m.raw, m.report "
            "FROM hl7_message m "
            "JOIN unnest(%s::smallint[], %s::text[], %s::text[]) AS wanted(b, s, c) "
            "ON m.bucket = b AND m.sender = s AND m.control_id = c WHERE m.tenant = %s "
            # In one order everywhere: two who claim the same messages never wait for each other in a circle.
            "ORDER BY m.sender, m.control_id FOR UPDATE OF m",
            (
                array(buckets),
                [one.sender for one in coming],
                [one.control_id for one in coming],
                tx.tenant,
            ),
        )
        known = {}
        for sender, control_id, row, outcome, reason, patient, raw, report in found:
            opened = await _opened(tx, row, patient, raw, report)
            told = fhir_json.read(opened[1]) if opened[1] else {}
            known[sender, control_id] = row, Before(outcome, reason, opened[0], told)
        return known

    async def settle(self, tx: Transaction, settled: Sequence[Settled]) -> None:
        """Write messages, outcomes, reasons and reports under the key of the first patient, and count the attempt."""
        sealed = [await _sealed(tx, one) for one in settled]
        new = [one for one in sealed if one.of.claim.before is None]
        if new:
            _insert(tx, new)
        for one in sealed:
            if one.of.claim.before is not None:
                _replace(tx, one)

    async def remember(self, tx: Transaction, told: Sequence[AlarmTold]) -> None:
        """Write the newest message of each alarm."""
        hl7_alarms.remember(tx, told)

    async def dead_letter(self, tx: Transaction, letters: Sequence[DeadLetter]) -> None:
        """Keep dead letters."""
        await dead_letters.keep(tx, letters)

    async def forget(self, tx: Transaction, before: datetime) -> None:
        """Remove old messages."""
        await tx.execute(
            "DELETE FROM hl7_message WHERE tenant = %s AND received < %s", (tx.tenant, before)
        )
        await hl7_alarms.forget(tx, before)


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A message with what is kept of it, sealed. `report` is empty where nothing is to be said."""

    of: Settled
    raw: bytes
    report: bytes

    @property
    def patient(self) -> str | None:
        return next(iter(self.of.patients), None)

    @property
    def others(self) -> Sequence[str]:
        return self.of.patients[1:]


async def _sealed(tx: Transaction, one: Settled) -> _Sealed:
    row, patient = one.claim.id, next(iter(one.patients), None)
    report = b""
    if one.report:
        report = await tx.seal(patient, _report(row), fhir_json.write(one.report))
    return _Sealed(one, await tx.seal(patient, _raw(row), one.raw), report)


def _insert(tx: Transaction, new: Sequence[_Sealed]) -> None:
    # In one order everywhere, as above.
    new = sorted(
        new, key=lambda one: (one.of.claim.message.sender, one.of.claim.message.control_id)
    )
    messages = [one.of.claim.message for one in new]
    raws, reports = run_of([one.raw for one in new]), run_of([one.report for one in new])
    tx.execute_later(
        "INSERT INTO hl7_message (bucket, tenant, id, sender, control_id, kind, received, outcome, reason, "
        "patient, others, report, raw) SELECT b, %s, i, s, c, k, r, o, w, p, x::text[], "
        "nullif(substring(%b::bytea from said for says), ''), substring(%b::bytea from at for size) "
        "FROM unnest(%s::smallint[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], "
        "%s::text[], %s::text[], %s::text[], %s::int[], %s::int[], %s::int[], %s::int[]) "
        "AS new(b, i, s, c, k, r, o, w, p, x, said, says, at, size)",
        (
            tx.tenant,
            reports.content,
            raws.content,
            array(one.of.claim.bucket for one in new),
            array(one.of.claim.id for one in new),
            [one.sender for one in messages],
            [one.control_id for one in messages],
            [one.kind for one in messages],
            texts(one.received for one in messages),
            texts(one.of.outcome for one in new),
            [one.of.reason for one in new],
            texts(one.patient for one in new),
            # Ids: nothing in them needs quotes.
            texts(array(one.others) for one in new),
            reports.starts,
            reports.sizes,
            raws.starts,
            raws.sizes,
        ),
    )


def _replace(tx: Transaction, one: _Sealed) -> None:
    claim = one.of.claim
    tx.execute_later(
        "UPDATE hl7_message SET outcome = %s, reason = %s, patient = %s, others = %s, report = %s, raw = %s, "
        "attempts = attempts + 1 WHERE bucket = %s AND tenant = %s AND id = %s",
        (one.of.outcome, one.of.reason, one.patient, [*one.others], one.report or None, one.raw,
         claim.bucket, tx.tenant, claim.id),
    )  # fmt: skip


async def listed(
    tx: Transaction, *, outcome: str | None = None, reason: str | None = None, most: int
) -> Sequence[Listed]:
    """Return the newest messages, at most so many, of one outcome or reason where that is given."""
    rows = await tx.execute(
        _LISTED + "AND outcome = coalesce(%s, outcome) AND reason = coalesce(%s, reason) "
        "ORDER BY received DESC, id DESC LIMIT %s",
        (tx.tenant, outcome, reason, most),
    )
    return [Listed(*row) for row in rows]


async def shown(tx: Transaction, row: UUID) -> Shown | None:
    """Return a message; None when there is none."""
    rows = await tx.execute(_LISTED + "AND bucket = %s AND id = %s", (tx.tenant, _bucket(row), row))
    if not rows:
        return None
    ((patient, others, raw, report),) = await tx.execute(
        "SELECT patient, others, raw, report FROM hl7_message WHERE tenant = %s AND bucket = %s AND id = %s",
        (tx.tenant, _bucket(row), row),
    )
    known = (() if patient is None else (patient,)) + tuple(others)
    return Shown(Listed(*rows[0]), *(await _opened(tx, row, patient, raw, report)), known)


def _bucket(row: UUID) -> int:
    return keys.bucket_of_row(row)


def _raw(row: UUID) -> str:
    return f"hl7-message|{row}"


def _report(row: UUID) -> str:
    return f"hl7-report|{row}"


async def _opened(
    tx: Transaction, row: UUID, patient: str | None, raw: bytes, report: bytes | None
) -> tuple[bytes, bytes]:
    """Return a message and the report about it, both empty where their patient's keys are destroyed."""
    try:
        told = b"" if report is None else await tx.unseal(patient, _report(row), report)
        return await tx.unseal(patient, _raw(row), raw), told
    except Tampered:
        if patient is None:
            raise
        return b"", b""
