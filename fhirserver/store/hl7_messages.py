"""Rows of `hl7_message`: what interfaces sent, under the tenant's key. Implements `fhirserver.kernel.hl7.HeldMessages`.

The unique key of sender and control id is what makes a message that is sent again have no second effect: two
transactions with the same one wait for each other.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.crypto.envelope import Tampered
from fhirserver.kernel import keys
from fhirserver.kernel.hl7 import AlarmTold, Before, Claim, ComingMessage, Outcome, Settled
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.telemetry import DeadLetter
from fhirserver.store import dead_letters, hl7_alarms
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
        """Insert what is new, lock what is known."""
        new: dict[tuple[str, str], tuple[Any, ...]] = {}
        # In one order everywhere: two who claim the same messages never wait for each other in a circle.
        for one in sorted(coming, key=lambda message: (message.sender, message.control_id)):
            bucket = keys.bucket_of(tx.tenant, "hl7-message", f"{one.sender}|{one.control_id}")
            row = keys.row_id(keys.unix_ms(tx.now), bucket, secrets.randbits(64))
            new[one.sender, one.control_id] = (
                bucket, row, one.sender, one.control_id, one.kind, one.received
            )  # fmt: skip
        columns = [list(column) for column in zip(*new.values(), strict=True)]
        inserted = await tx.execute(
            # How it came in follows when it is known whose key it is sealed with.
            "INSERT INTO hl7_message (bucket, tenant, id, sender, control_id, kind, received, outcome, raw) "
            "SELECT b, %s, i, s, c, k, r, 'accepted', '' FROM unnest(%s::smallint[], %s::uuid[], %s::text[], "
            "%s::text[], %s::text[], %s::timestamptz[]) AS new(b, i, s, c, k, r) "
            "ON CONFLICT DO NOTHING RETURNING sender, control_id, id, bucket",
            (tx.tenant, *columns),
        )
        claims = {
            (sender, control_id): Claim(row, bucket, None)
            for sender, control_id, row, bucket in inserted
        }
        if len(claims) < len(new):
            claims |= await self._known(tx, [row for key, row in new.items() if key not in claims])
        return [claims[one.sender, one.control_id] for one in coming]

    async def _known(
        self, tx: Transaction, rows: Sequence[tuple[Any, ...]]
    ) -> dict[tuple[str, str], Claim]:
        columns = [[row[place] for row in rows] for place in (0, 2, 3)]
        found = await tx.execute(
            "SELECT m.sender, m.control_id, m.id, m.bucket, m.outcome, m.reason, m.patient, m.raw, m.report "
            "FROM hl7_message m "
            "JOIN unnest(%s::smallint[], %s::text[], %s::text[]) AS wanted(b, s, c) "
            "ON m.bucket = b AND m.sender = s AND m.control_id = c WHERE m.tenant = %s "
            "ORDER BY m.sender, m.control_id FOR UPDATE OF m",
            (*columns, tx.tenant),
        )
        claims = {}
        for sender, control_id, row, bucket, outcome, reason, patient, raw, report in found:
            opened = await _opened(tx, row, patient, raw, report)
            told = fhir_json.read(opened[1]) if opened[1] else {}
            claims[sender, control_id] = Claim(
                row, bucket, Before(outcome, reason, opened[0], told)
            )
        return claims

    async def settle(self, tx: Transaction, settled: Sequence[Settled]) -> None:
        """Write messages, outcomes, reasons and reports under the key of the first patient, and count the attempt."""
        for one in settled:
            row = one.claim.id
            patient, others = next(iter(one.patients), None), list(one.patients[1:])
            report = None
            if one.report:
                report = await tx.seal(patient, _report(row), fhir_json.write(one.report))
            raw = await tx.seal(patient, _raw(row), one.raw)
            again = 0 if one.claim.before is None else 1
            tx.execute_later(
                "UPDATE hl7_message SET outcome = %s, reason = %s, patient = %s, others = %s, report = %s, raw = %s, "
                "attempts = attempts + %s WHERE bucket = %s AND tenant = %s AND id = %s",
                (one.outcome, one.reason, patient, others, report, raw, again, one.claim.bucket, tx.tenant, row),
            )  # fmt: skip

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
