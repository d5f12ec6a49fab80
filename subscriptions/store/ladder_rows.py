"""Rows of `ladder`: the sealed state of one incident's ladder."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import msgspec

from fhirserver.kernel.ports import Transaction
from subscriptions.core.ladder_state import Ladder

_PURPOSE = "ladder"


@dataclass(frozen=True, slots=True)
class PersonTask:
    """The Task by which a member was told in one round."""

    id: str
    round: int


@dataclass(frozen=True, slots=True)
class LadderRow:
    """A ladder, whose it is, the id of its parent Task and each member's Task."""

    incident: UUID
    patient: str
    parent: str
    ladder: Ladder
    tasks: Mapping[str, PersonTask]


@dataclass(frozen=True, slots=True)
class _Sealed:
    ladder: Ladder
    tasks: dict[str, PersonTask]


_decoder = msgspec.json.Decoder(_Sealed)


async def lock(tx: Transaction, patient: str, incident: UUID) -> LadderRow | None:
    """Return the ladder of `incident`, held until commit; None when there is none yet."""
    rows = await tx.execute(
        "SELECT parent, state FROM ladder WHERE bucket = %s AND tenant = %s AND incident = %s"
        " FOR UPDATE",
        (tx.bucket(patient, "", ""), tx.tenant, incident),
    )
    if not rows:
        return None
    parent, state = rows[0]
    opened = _decoder.decode(await tx.unseal(patient, _PURPOSE, bytes(state)))
    return LadderRow(incident, patient, parent, opened.ladder, opened.tasks)


async def save(tx: Transaction, row: LadderRow) -> None:
    """Insert or replace the ladder."""
    sealed = msgspec.json.encode(_Sealed(row.ladder, dict(row.tasks)))
    await tx.execute(
        "INSERT INTO ladder (bucket, tenant, incident, patient, parent, open, state, updated)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (bucket, tenant, incident) DO UPDATE SET parent = excluded.parent,"
        " open = excluded.open, state = excluded.state, updated = excluded.updated",
        (
            tx.bucket(row.patient, "", ""),
            tx.tenant,
            row.incident,
            row.patient,
            row.parent,
            row.ladder.phase != "closed",
            await tx.seal(row.patient, _PURPOSE, sealed),
            tx.now,
        ),
    )


async def open_incidents(tx: Transaction, patient: str) -> list[UUID]:
    """Return the incidents of `patient` whose ladder is not over."""
    rows = await tx.execute(
        "SELECT incident FROM ladder WHERE bucket = %s AND tenant = %s AND patient = %s AND open"
        " ORDER BY incident",
        (tx.bucket(patient, "", ""), tx.tenant, patient),
    )
    return [row[0] for row in rows]


async def is_open(tx: Transaction, patient: str, incident: UUID) -> bool:
    """Return whether the ladder of `incident` is not over."""
    rows = await tx.execute(
        "SELECT 1 FROM ladder WHERE bucket = %s AND tenant = %s AND incident = %s AND open",
        (tx.bucket(patient, "", ""), tx.tenant, incident),
    )
    return bool(rows)
