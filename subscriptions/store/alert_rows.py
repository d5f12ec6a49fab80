"""Rows of ``alert`` and ``alert_event``. The bucket of an alert is the one its id carries."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.kernel.keys import bucket_of_row
from fhirserver.kernel.ports import Transaction
from subscriptions.core.alert import Alert

_COLUMNS: Final[LiteralString] = (
    "id, tenant, patient, device, system, code, display, kind, family, priority, condition, "
    "response, signal, "
    "incident, onset, raised, updated, ended, closed, delayed, pages, generation, rule, "
    "rule_version, flag, "
    "simulated, key, rang"
)


async def insert(tx: Transaction, alert: Alert, detail: bytes, kept_alive: datetime | None) -> None:
    """Store a new alert with its sealed `detail`."""
    await tx.execute(
        "INSERT INTO alert (bucket, "
        + _COLUMNS
        + ", kept_alive, detail) VALUES (%s, %s, %s, %s, %s, %s, %s, "
        "%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, "
        "%s, %s, %s)",
        (bucket_of_row(alert.id), *_values(alert), kept_alive, detail),
    )


async def update(tx: Transaction, alert: Alert) -> None:
    """Store everything about `alert` that can change."""
    await tx.execute(
        "UPDATE alert SET system = %s, code = %s, display = %s, priority = %s, condition = %s, "
        "response = %s, "
        "signal = %s, updated = %s, ended = %s, closed = %s, delayed = %s, pages = %s, "
        "generation = %s, rule = %s, "
        "rule_version = %s, flag = %s, rang = %s WHERE bucket = %s AND tenant = %s AND id = %s",
        (
            alert.system,
            alert.code,
            alert.display,
            alert.priority,
            alert.condition,
            alert.response,
            alert.signal,
            alert.updated,
            alert.ended,
            alert.closed,
            alert.delayed,
            alert.pages,
            alert.generation,
            alert.rule,
            alert.rule_version,
            alert.flag,
            alert.rang,
            bucket_of_row(alert.id),
            tx.tenant,
            alert.id,
        ),
    )


async def by_id(tx: Transaction, alert: UUID, *, lock: bool) -> Alert | None:
    """Return one alert, None when there is none; `lock` holds its row until commit."""
    tail: LiteralString = " FOR UPDATE" if lock else ""
    found = await tx.execute(
        "SELECT " + _COLUMNS + " FROM alert WHERE bucket = %s AND tenant = %s AND id = %s" + tail,
        (bucket_of_row(alert), tx.tenant, alert),
    )
    return Alert(*found[0]) if found else None


async def of_patients(
    tx: Transaction, patients: Sequence[str], closed_within: timedelta
) -> list[Alert]:
    """Lock and return the open and lately closed alerts of `patients`, in key order."""
    found = await tx.execute(
        "SELECT " + _COLUMNS + " FROM alert WHERE tenant = %s AND bucket = ANY(%s::smallint[]) "
        "AND patient = ANY(%s::text[]) AND (closed IS NULL OR closed > %s) ORDER BY bucket, id "
        "FOR UPDATE",
        (
            tx.tenant,
            [tx.bucket(patient, "Patient", patient) for patient in patients],
            list(patients),
            tx.now - closed_within,
        ),
    )
    return [Alert(*row) for row in found]


async def of_unbound_devices(
    tx: Transaction, devices: Sequence[str], closed_within: timedelta
) -> list[Alert]:
    """Lock and return the open and lately closed alerts of devices nobody is bound to."""
    found = await tx.execute(
        "SELECT "
        + _COLUMNS
        + " FROM alert WHERE tenant = %s AND patient IS NULL AND device = ANY(%s::text[]) "
        "AND (closed IS NULL OR closed > %s) ORDER BY bucket, id FOR UPDATE",
        (tx.tenant, list(devices), tx.now - closed_within),
    )
    return [Alert(*row) for row in found]


async def of_incident(tx: Transaction, incident: UUID, *, lock: bool = False) -> list[Alert]:
    """Return every alert of an incident, oldest first; `lock` holds their rows until commit."""
    tail: LiteralString = " FOR UPDATE" if lock else ""
    found = await tx.execute(
        "SELECT "
        + _COLUMNS
        + " FROM alert WHERE tenant = %s AND incident = %s ORDER BY raised, id"
        + tail,
        (tx.tenant, incident),
    )
    return [Alert(*row) for row in found]


async def present_between(
    tx: Transaction, patient: str, since: datetime, until: datetime
) -> list[Alert]:
    """Return the alerts of `patient` whose condition was present in [since, until), oldest first."""
    found = await tx.execute(
        "SELECT "
        + _COLUMNS
        + " FROM alert WHERE tenant = %s AND bucket = %s AND patient = %s AND raised < %s "
        "AND coalesce(ended, closed, 'infinity') >= %s ORDER BY raised, id",
        (tx.tenant, tx.bucket(patient, "Patient", patient), patient, until, since),
    )
    return [Alert(*row) for row in found]


async def keep_alive(tx: Transaction, alerts: Sequence[Alert]) -> None:
    """Note that the machine still says so."""
    await tx.execute(
        "UPDATE alert SET kept_alive = %s "
        "WHERE tenant = %s AND bucket = ANY(%s::smallint[]) AND id = ANY(%s::uuid[])",
        (
            tx.now,
            tx.tenant,
            [bucket_of_row(alert.id) for alert in alerts],
            [alert.id for alert in alerts],
        ),
    )


async def gone_quiet(tx: Transaction, before: datetime, limit: int) -> list[Alert]:
    """Lock and return alerts not repeated since `before`; busy rows are left for later."""
    found = await tx.execute(
        "SELECT "
        + _COLUMNS
        + " FROM alert WHERE tenant = %s AND kept_alive < %s AND kept_alive IS NOT NULL "
        "AND closed IS NULL AND condition = 'present' ORDER BY kept_alive LIMIT %s FOR UPDATE "
        "SKIP LOCKED",
        (tx.tenant, before, limit),
    )
    return [Alert(*row) for row in found]


async def detail_of(tx: Transaction, alert: UUID) -> bytes | None:
    """Return the sealed detail of an alert, None when there is no such alert."""
    found = await tx.execute(
        "SELECT detail FROM alert WHERE bucket = %s AND tenant = %s AND id = %s",
        (bucket_of_row(alert), tx.tenant, alert),
    )
    return bytes(found[0][0]) if found else None


async def append_event(tx: Transaction, event: UUID, alert: UUID, kind: str, detail: bytes) -> None:
    """Append what happened to an alert."""
    await tx.execute(
        "INSERT INTO alert_event (bucket, tenant, id, alert, at, kind, detail) VALUES (%s, %s, "
        "%s, %s, %s, %s, %s)",
        (bucket_of_row(alert), tx.tenant, event, alert, tx.now, kind, detail),
    )


async def events_of(tx: Transaction, alert: UUID) -> list[tuple[UUID, datetime, str, bytes]]:
    """Return what happened to an alert, oldest first: its id, when, what, and the sealed detail."""
    found = await tx.execute(
        "SELECT id, at, kind, detail FROM alert_event WHERE bucket = %s AND tenant = %s AND alert = "
        "%s ORDER BY at, id",
        (bucket_of_row(alert), tx.tenant, alert),
    )
    return [(id_, at, kind, bytes(detail)) for id_, at, kind, detail in found]


def _values(alert: Alert) -> tuple[Any, ...]:
    return (
        alert.id,
        alert.tenant,
        alert.patient,
        alert.device,
        alert.system,
        alert.code,
        alert.display,
        alert.kind,
        alert.family,
        alert.priority,
        alert.condition,
        alert.response,
        alert.signal,
        alert.incident,
        alert.onset,
        alert.raised,
        alert.updated,
        alert.ended,
        alert.closed,
        alert.delayed,
        alert.pages,
        alert.generation,
        alert.rule,
        alert.rule_version,
        alert.flag,
        alert.simulated,
        alert.key,
        alert.rang,
    )
