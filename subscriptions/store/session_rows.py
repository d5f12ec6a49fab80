"""Rows of ``treatment``, ``arming`` and ``test_page``: who is treated now, and who would hear an alarm.

Lock order: evaluation row, alert rows, then these.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from subscriptions.core.arming import UNARMED, Arming
from subscriptions.core.session import Session

Execute = Callable[[LiteralString, Sequence[Any]], Awaitable[list[tuple[Any, ...]]]]

_COLUMNS: Final[LiteralString] = (
    "procedure, patient, device, therapy, started, planned_end, paused, live, told, end_told, simulated"
)


@dataclass(frozen=True, slots=True)
class ArmingRow:
    """How a patient's monitoring stands; `incident` is that of the last test page."""

    arming: Arming
    incident: UUID | None


@dataclass(frozen=True, slots=True)
class Treatment:
    """A treatment and when it was over, None while it goes on."""

    session: Session
    ended: datetime | None


async def of_devices(tx: Transaction, devices: Sequence[str]) -> dict[str, Session]:
    """Return the treatments that go on, by device; nothing is locked."""
    found = await tx.execute(
        "SELECT " + _COLUMNS + " FROM treatment WHERE tenant = %s AND device = ANY(%s::text[]) "
        "AND ended IS NULL",
        (tx.tenant, list(devices)),
    )
    return {session.device: session for session in (Session(*row) for row in found)}


async def lock_of_devices(tx: Transaction, devices: Sequence[str]) -> dict[str, Session]:
    """Lock and return the treatments `devices` are busy with, by device."""
    found = await tx.execute(
        "SELECT " + _COLUMNS + " FROM treatment WHERE tenant = %s AND device = ANY(%s::text[]) "
        "AND ended IS NULL ORDER BY device FOR UPDATE",
        (tx.tenant, list(devices)),
    )
    return {session.device: session for session in (Session(*row) for row in found)}


async def unsettled(tx: Transaction, patient: str) -> list[Treatment]:
    """Lock and return the treatments of `patient` that go on, and those whose end nobody was told of."""
    found = await tx.execute(
        "SELECT ended, " + _COLUMNS + " FROM treatment WHERE tenant = %s AND patient = %s "
        "AND (ended IS NULL OR due IS NOT NULL) ORDER BY started, procedure FOR UPDATE",
        (tx.tenant, patient),
    )
    return [Treatment(Session(*row[1:]), row[0]) for row in found]


async def settled(tx: Transaction, session: Session) -> None:
    """Note that everything that follows from the end of a treatment was told."""
    await tx.execute(
        "UPDATE treatment SET due = NULL WHERE bucket = %s AND tenant = %s AND procedure = %s",
        (_bucket(tx, session.patient), tx.tenant, session.procedure),
    )


async def lock(tx: Transaction, patient: str, procedure: str) -> Session | None:
    """Lock and return a treatment that goes on, by its Procedure."""
    found = await tx.execute(
        "SELECT "
        + _COLUMNS
        + " FROM treatment WHERE bucket = %s AND tenant = %s AND procedure = %s "
        "AND ended IS NULL FOR UPDATE",
        (_bucket(tx, patient), tx.tenant, procedure),
    )
    return Session(*found[0]) if found else None


async def ended(
    tx: Transaction, wanted: Sequence[tuple[str, str]]
) -> dict[str, tuple[datetime, bool]]:
    """Return when those treatments (patient, Procedure) were over, and whether somebody said so, by Procedure.

    One that never was over is left out.
    """
    found = await tx.execute(
        "SELECT t.procedure, t.ended, t.final FROM treatment t "
        "JOIN unnest(%s::smallint[], %s::text[]) AS w(b, p) ON t.bucket = w.b AND t.procedure = w.p "
        "WHERE t.tenant = %s AND t.ended IS NOT NULL",
        (
            [_bucket(tx, patient) for patient, _ in wanted],
            [procedure for _, procedure in wanted],
            tx.tenant,
        ),
    )
    return {procedure: (at, bool(final)) for procedure, at, final in found}


async def save(tx: Transaction, due: datetime | None, *sessions: Session) -> None:
    """Store treatments that go on, due then: new ones, changes, or those taken up again."""
    columns = zip(
        *(
            (
                _bucket(tx, one.patient),
                one.procedure,
                one.patient,
                one.device,
                one.therapy,
                one.started,
                one.planned_end,
                one.paused,
                one.live,
                one.told,
                one.end_told,
                one.simulated,
            )
            for one in sessions
        ),
        strict=True,
    )
    await tx.execute(
        "INSERT INTO treatment (tenant, due, bucket, " + _COLUMNS + ") "
        "SELECT %s::int, %s::timestamptz, n.* FROM unnest(%s::smallint[], %s::text[], %s::text[], %s::text[], "
        "%s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::boolean[], %s::boolean[], "
        "%s::boolean[], %s::boolean[]) AS n "
        "ON CONFLICT (bucket, tenant, procedure) DO UPDATE SET due = excluded.due, "
        "paused = excluded.paused, live = excluded.live, told = excluded.told, "
        "end_told = excluded.end_told, ended = NULL, reported = NULL",
        (tx.tenant, due, *(list(column) for column in columns)),
    )


async def end(tx: Transaction, session: Session, at: datetime, *, final: bool) -> None:
    """Note that a treatment is over: what follows is due, its run sheet owed. `final`: somebody said so."""
    await tx.execute(
        "UPDATE treatment SET ended = %s, final = %s, due = %s, reported = NULL "
        "WHERE bucket = %s AND tenant = %s AND procedure = %s",
        (at, final, tx.now, _bucket(tx, session.patient), tx.tenant, session.procedure),
    )


async def owed(tx: Transaction, limit: int) -> list[Treatment]:
    """Return treatments that owe their run sheet, the oldest first; nothing is locked."""
    found = await tx.execute(
        "SELECT ended, " + _COLUMNS + " FROM treatment WHERE tenant = %s AND ended IS NOT NULL "
        "AND reported IS NULL AND due IS NULL ORDER BY ended LIMIT %s",
        (tx.tenant, limit),
    )
    return [Treatment(Session(*row[1:]), row[0]) for row in found]


async def lock_owed(tx: Transaction, patient: str, procedure: str) -> bool:
    """Hold a treatment that owes its run sheet; False when it does not any more."""
    found = await tx.execute(
        "SELECT 1 FROM treatment WHERE bucket = %s AND tenant = %s AND procedure = %s "
        "AND ended IS NOT NULL AND reported IS NULL FOR UPDATE",
        (_bucket(tx, patient), tx.tenant, procedure),
    )
    return bool(found)


async def reported(tx: Transaction, session: Session) -> None:
    """Note that the run sheet is written."""
    await tx.execute(
        "UPDATE treatment SET reported = %s WHERE bucket = %s AND tenant = %s AND procedure = %s",
        (tx.now, _bucket(tx, session.patient), tx.tenant, session.procedure),
    )


async def due_patients(tx: Transaction, limit: int) -> list[str]:
    """Return the patients for whom time itself does something now, the longest due first."""
    found = await tx.execute(
        "SELECT patient FROM (SELECT patient, due FROM treatment WHERE tenant = %s AND due <= %s "
        "UNION ALL SELECT patient, due FROM arming WHERE tenant = %s AND due <= %s) d "
        "GROUP BY patient ORDER BY min(due) LIMIT %s",
        (tx.tenant, tx.now, tx.tenant, tx.now, limit),
    )
    return [patient for (patient,) in found]


async def due_tenants(execute: Execute, now: datetime) -> list[int]:
    """Return the tenants that have something due; needs a role that sees all of them."""
    found = await execute(
        "SELECT tenant FROM treatment WHERE due <= %s UNION SELECT tenant FROM arming WHERE due <= %s "
        "UNION SELECT tenant FROM treatment WHERE ended IS NOT NULL AND reported IS NULL",
        (now, now),
    )
    return [tenant for (tenant,) in found]


async def arming_of(tx: Transaction, patient: str, *, lock: bool = False) -> ArmingRow:
    """Return how the patient's monitoring stands; `lock` holds the row, if there is one, until commit."""
    tail: LiteralString = " FOR UPDATE" if lock else ""
    found = await tx.execute(
        "SELECT state, asked, armed, acknowledged, reason, incident FROM arming "
        "WHERE bucket = %s AND tenant = %s AND patient = %s" + tail,
        (_bucket(tx, patient), tx.tenant, patient),
    )
    if not found:
        return ArmingRow(UNARMED, None)
    state, asked, armed, by, reason, incident = found[0]
    return ArmingRow(Arming(state, asked, armed, tuple(by), reason), incident)


async def save_arming(tx: Transaction, patient: str, row: ArmingRow, due: datetime | None) -> None:
    """Store how the patient's monitoring stands; `due` is when time itself changes it."""
    arming = row.arming
    await tx.execute(
        "INSERT INTO arming (bucket, tenant, patient, state, asked, armed, acknowledged, reason, incident, "
        "due, updated) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (bucket, tenant, patient) DO UPDATE SET state = excluded.state, "
        "asked = excluded.asked, armed = excluded.armed, acknowledged = excluded.acknowledged, "
        "reason = excluded.reason, incident = excluded.incident, due = excluded.due, "
        "updated = excluded.updated",
        (
            _bucket(tx, patient),
            tx.tenant,
            patient,
            arming.state,
            arming.asked,
            arming.armed,
            list(arming.by),
            arming.reason,
            row.incident,
            due,
            tx.now,
        ),
    )


async def armed_patients(tx: Transaction, patients: Sequence[str]) -> frozenset[str]:
    """Return those of `patients` whose monitoring is armed now."""
    found = await tx.execute(
        "SELECT patient FROM arming WHERE tenant = %s AND bucket = ANY(%s::smallint[]) "
        "AND patient = ANY(%s::text[]) AND state = 'armed'",
        (tx.tenant, [_bucket(tx, patient) for patient in patients], list(patients)),
    )
    return frozenset(patient for (patient,) in found)


async def in_session(tx: Transaction, patients: Sequence[str]) -> frozenset[str]:
    """Return those of `patients` who are treated now."""
    found = await tx.execute(
        "SELECT DISTINCT patient FROM treatment WHERE tenant = %s AND patient = ANY(%s::text[]) "
        "AND ended IS NULL",
        (tx.tenant, list(patients)),
    )
    return frozenset(patient for (patient,) in found)


async def going_on(tx: Transaction, patient: str) -> list[str]:
    """Return the ids of the Procedures of the patient's treatments that go on, the oldest first."""
    found = await tx.execute(
        "SELECT procedure FROM treatment WHERE tenant = %s AND patient = %s AND ended IS NULL "
        "ORDER BY started, procedure",
        (tx.tenant, patient),
    )
    return [procedure for (procedure,) in found]


async def begin_test(tx: Transaction, patient: str, incident: UUID, member: str, task: str) -> None:
    """Note that `member` is sent a test page by `task`."""
    await tx.execute(
        "INSERT INTO test_page (bucket, tenant, incident, member, patient, task, asked) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (_bucket(tx, patient), tx.tenant, incident, member, patient, task, tx.now),
    )


async def test_task(tx: Transaction, patient: str, incident: UUID, member: str) -> str | None:
    """Return the Task by which `member` was sent a test page; None when `incident` is none."""
    found = await tx.execute(
        "SELECT task FROM test_page WHERE bucket = %s AND tenant = %s AND incident = %s "
        "AND member = %s",
        (_bucket(tx, patient), tx.tenant, incident, member),
    )
    return str(found[0][0]) if found else None


async def is_tested(tx: Transaction, patient: str | None, incident: UUID) -> bool:
    """Return whether `incident` is the patient's test page, and some answer to it is still missing."""
    if patient is None:
        return False
    found = await tx.execute(
        "SELECT 1 FROM arming WHERE bucket = %s AND tenant = %s AND patient = %s AND incident = %s "
        "AND state IN ('testing', 'armed')",
        (_bucket(tx, patient), tx.tenant, patient, incident),
    )
    return bool(found)


async def take_tests(tx: Transaction, patient: str, but: UUID | None) -> list[str]:
    """Forget the patient's test pages, except those of the incident `but`; return their Tasks."""
    found = await tx.execute(
        "DELETE FROM test_page WHERE bucket = %s AND tenant = %s AND patient = %s "
        "AND incident IS DISTINCT FROM %s RETURNING task",
        (_bucket(tx, patient), tx.tenant, patient, but),
    )
    return sorted(task for (task,) in found)


async def planned_seconds(tx: Transaction, patients: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return how long treatments of those `patients` are planned to take, and by which CarePlan, where one says so."""
    found = await tx.execute(
        "SELECT DISTINCT ON (p.patient) p.patient, p.seconds, p.care_plan FROM treatment_plan p "
        "JOIN unnest(%s::smallint[], %s::text[]) AS w(b, p) ON p.bucket = w.b AND p.patient = w.p "
        "WHERE p.tenant = %s ORDER BY p.patient, p.updated DESC, p.care_plan",
        ([_bucket(tx, patient) for patient in patients], list(patients), tx.tenant),
    )
    return {patient: (int(seconds), str(care_plan)) for patient, seconds, care_plan in found}


async def save_plan(tx: Transaction, patient: str, care_plan: str, seconds: int) -> None:
    """Note what a CarePlan says."""
    await tx.execute(
        "INSERT INTO treatment_plan (bucket, tenant, patient, care_plan, seconds, updated) "
        "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (bucket, tenant, patient, care_plan) "
        "DO UPDATE SET seconds = excluded.seconds, updated = excluded.updated",
        (_bucket(tx, patient), tx.tenant, patient, care_plan, seconds, tx.now),
    )


async def forget_plan(tx: Transaction, patient: str, care_plan: str) -> None:
    """Forget a CarePlan that no longer plans treatments."""
    await tx.execute(
        "DELETE FROM treatment_plan WHERE bucket = %s AND tenant = %s AND patient = %s "
        "AND care_plan = %s",
        (_bucket(tx, patient), tx.tenant, patient, care_plan),
    )


def _bucket(tx: Transaction, patient: str) -> int:
    return tx.bucket(patient, "Patient", patient)
