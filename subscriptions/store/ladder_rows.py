"""Rows of `ladder`: the sealed state of one incident's ladder. The bucket is the incident's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

import msgspec

from fhirserver.kernel.keys import bucket_of_row
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
    """A ladder, whose it is, the id of its parent Task and each member's Task.

    `patient` is None for the incident of a device nobody is bound to. `unanswered`: everyone was
    told and nobody came, which whoever runs the server must hear.
    """

    incident: UUID
    patient: str | None
    parent: str
    ladder: Ladder
    tasks: Mapping[str, PersonTask]
    unanswered: bool


@dataclass(frozen=True, slots=True)
class _Sealed:
    ladder: Ladder
    tasks: dict[str, PersonTask]


_decoder = msgspec.json.Decoder(_Sealed)


async def lock(tx: Transaction, patient: str | None, incident: UUID) -> LadderRow | None:
    """Return the ladder of `incident`, held until commit; None when there is none yet."""
    rows = await tx.execute(
        "SELECT parent, state, unanswered FROM ladder WHERE bucket = %s AND tenant = %s AND incident = %s"
        " FOR UPDATE",
        (bucket_of_row(incident), tx.tenant, incident),
    )
    if not rows:
        return None
    parent, state, unanswered = rows[0]
    opened = _decoder.decode(await tx.unseal(patient, f"{_PURPOSE}|{incident}", bytes(state)))
    return LadderRow(incident, patient, parent, opened.ladder, opened.tasks, unanswered)


async def save(tx: Transaction, row: LadderRow) -> None:
    """Insert or replace the ladder."""
    sealed = msgspec.json.encode(_Sealed(row.ladder, dict(row.tasks)))
    await tx.execute(
        "INSERT INTO ladder (bucket, tenant, incident, patient, parent, open, state, updated,"
        " unanswered) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (bucket, tenant, incident) DO UPDATE SET parent = excluded.parent,"
        " open = excluded.open, state = excluded.state, updated = excluded.updated,"
        " unanswered = excluded.unanswered",
        (
            bucket_of_row(row.incident),
            tx.tenant,
            row.incident,
            row.patient,
            row.parent,
            row.ladder.phase != "closed",
            await tx.seal(row.patient, f"{_PURPOSE}|{row.incident}", sealed),
            tx.now,
            row.unanswered,
        ),
    )


async def open_incidents(tx: Transaction, patient: str | None) -> list[UUID]:
    """Return the incidents of `patient` (None: of nobody) whose ladder is not over."""
    select: LiteralString = "SELECT incident FROM ladder WHERE tenant = %s AND open AND patient "
    if patient is None:
        rows = await tx.execute(select + "IS NULL ORDER BY incident", (tx.tenant,))
    else:
        rows = await tx.execute(select + "= %s ORDER BY incident", (tx.tenant, patient))
    return [row[0] for row in rows]


async def is_open(tx: Transaction, incident: UUID) -> bool:
    """Return whether the ladder of `incident` is not over."""
    rows = await tx.execute(
        "SELECT 1 FROM ladder WHERE bucket = %s AND tenant = %s AND incident = %s AND open",
        (bucket_of_row(incident), tx.tenant, incident),
    )
    return bool(rows)
