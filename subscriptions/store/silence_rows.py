"""Rows of ``device_watch``: when a device was last heard, how far its silence was told."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.readings import Contact
from subscriptions.core.constants import (
    CONTACT_NOTED_EVERY,
    GATEWAY_LOST_AFTER,
    INTERVALS_MISSED,
    MODE_KNOWN_FOR,
    MONITORING_LOST_AFTER,
    SILENT_AFTER,
)
from subscriptions.core.silence import Stage, Watched

Execute = Callable[[LiteralString, Sequence[Any]], Awaitable[list[tuple[Any, ...]]]]

_COLUMNS: Final[LiteralString] = (
    "w.device, w.patient, w.mode, w.mode_at, w.last_contact, w.online, w.stage, w.simulated, w.every, "
    "w.unseen"
)

# A device that means to send seldom is given more time before its silence counts.
_WAITED: Final[LiteralString] = (
    "w.last_contact + make_interval(secs => greatest(0, %s::float8 * coalesce(w.every, 0) - %s::float8))"
)
# As `subscriptions.core.silence.expected_to_speak`: machines at rest must not hide those in treatment.
_EXPECTED: Final[LiteralString] = (
    "w.patient IS NOT NULL AND w.mode_at IS NOT NULL AND w.stage < 2 "
    "AND (w.mode IS NULL OR w.mode = 'TX' OR w.last_contact - w.mode_at > %s)"
)
# Who uses the device at `t.now`. A watch may be out of step with it: a use may end, and another
# begin, at a time that was stored long before.
USER: Final[LiteralString] = (
    "(SELECT b.patient FROM device_binding b WHERE b.bucket = w.bucket AND b.tenant = w.tenant "
    "AND b.device = w.device AND (b.starts IS NULL OR b.starts <= t.now) "
    "AND (b.ends IS NULL OR b.ends > t.now) ORDER BY b.starts DESC NULLS LAST LIMIT 1)"
)
_ANOTHER: Final[LiteralString] = "w.patient IS DISTINCT FROM excluded.patient"
_MODE_KNOWN: Final = timedelta(seconds=MODE_KNOWN_FOR.value)
_CUT_OFF: Final = timedelta(seconds=GATEWAY_LOST_AFTER.value)
_PATIENCE: Final = (INTERVALS_MISSED.value, SILENT_AFTER.value)


async def note(tx: Transaction, contacts: Sequence[Contact]) -> list[Watched]:
    """Note signs of life, one contact per device, and return the devices that need judging.

    Those are devices whose silence had been told, or that have just said they are gone, as they
    were before except for `online`. Rows that would only learn a newer time within five seconds are
    not written. A device is watched for whoever uses it now; what it said in the time of somebody
    else tells no mode. One that nobody uses gets no row.
    """
    ordered = sorted(contacts, key=lambda contact: contact.device)
    found = await tx.execute(
        "WITH told AS (SELECT * FROM unnest(%(buckets)s::smallint[], %(devices)s::text[], %(patients)s::text[], "
        "%(modes)s::text[], %(at)s::timestamptz[], %(online)s::boolean[], "
        "%(simulated)s::boolean[], %(intervals)s::real[]) "
        "AS s(bucket, device, whose, mode, at, online, simulated, every)), "
        "said AS (SELECT w.bucket, w.device, u.patient, w.at, w.online, w.simulated, w.every, "
        "CASE WHEN w.whose = u.patient THEN w.mode END AS mode "
        "FROM (SELECT *, %(tenant)s::int AS tenant FROM told) w, "
        "(VALUES (%(now)s::timestamptz)) t(now), LATERAL (SELECT " + USER + " AS patient) u), "
        "known AS (SELECT w.* FROM device_watch w WHERE w.tenant = %(tenant)s AND (w.bucket, "
        "w.device) IN "
        "(SELECT s.bucket, s.device FROM said s) ORDER BY w.bucket, w.device FOR UPDATE), "
        "noted AS (INSERT INTO device_watch AS w (bucket, tenant, device, patient, mode, "
        "mode_at, last_contact, "
        "online, simulated, every) "
        "SELECT s.bucket, %(tenant)s, s.device, s.patient, s.mode, "
        "CASE WHEN s.mode IS NULL THEN NULL ELSE s.at END, s.at, s.online, s.simulated, s.every "
        "FROM said s LEFT JOIN known k ON k.bucket = s.bucket AND k.device = s.device "
        "WHERE (k.device IS NULL AND s.patient IS NOT NULL) OR (k.device IS NOT NULL AND ("
        "s.at >= k.last_contact + %(noted_every)s OR s.online <> k.online OR k.stage > 0 "
        "OR k.unseen IS NOT NULL "
        "OR (s.every IS NOT NULL AND s.every IS DISTINCT FROM k.every) "
        "OR (s.mode IS NOT NULL AND (s.mode IS DISTINCT FROM k.mode OR k.mode_at IS NULL)) "
        "OR s.patient IS DISTINCT FROM k.patient)) "
        "ORDER BY s.bucket, s.device "
        "ON CONFLICT (bucket, tenant, device) DO UPDATE SET patient = excluded.patient, "
        "mode = CASE WHEN " + _ANOTHER + " THEN excluded.mode "
        "ELSE coalesce(excluded.mode, w.mode) END, "
        "mode_at = CASE WHEN " + _ANOTHER + " THEN excluded.mode_at "
        "ELSE greatest(excluded.mode_at, w.mode_at) END, "
        "stage = CASE WHEN " + _ANOTHER + " THEN 0 ELSE w.stage END, "
        "last_contact = CASE WHEN excluded.online THEN greatest(excluded.last_contact, "
        "w.last_contact) "
        "ELSE w.last_contact END, "
        "online = excluded.online, simulated = excluded.simulated, "
        "every = coalesce(excluded.every, w.every), unseen = NULL) "
        "SELECT k.device, k.patient, k.mode, k.mode_at, k.last_contact, "
        "s.online, k.stage, "
        "s.simulated, coalesce(s.every, k.every), NULL::timestamptz "
        "FROM known k JOIN said s ON s.bucket = k.bucket AND s.device = k.device "
        "WHERE s.patient = k.patient AND (k.stage > 0 OR (NOT s.online AND k.online))",
        {
            "tenant": tx.tenant,
            "now": tx.now,
            "noted_every": timedelta(seconds=CONTACT_NOTED_EVERY.value),
            "buckets": [tx.bucket(None, "Device", contact.device) for contact in ordered],
            "devices": [contact.device for contact in ordered],
            "patients": [contact.patient for contact in ordered],
            "modes": [contact.mode for contact in ordered],
            "at": [contact.received for contact in ordered],
            "online": [contact.online for contact in ordered],
            "simulated": [contact.simulated for contact in ordered],
            "intervals": [contact.every for contact in ordered],
        },
    )
    return [Watched(*row) for row in found]


async def note_gateways(tx: Transaction, contacts: Sequence[Contact]) -> None:
    """Note of watched devices, one contact each, that the line of their gateway is lost, or back."""
    ordered = sorted(contacts, key=lambda contact: contact.device)
    await tx.execute(
        "WITH said AS (SELECT * FROM unnest(%s::smallint[], %s::text[], %s::timestamptz[]) "
        "AS s(bucket, device, lost)), held AS (SELECT w.bucket, w.device, s.lost FROM device_watch w "
        "JOIN said s ON s.bucket = w.bucket AND s.device = w.device WHERE w.tenant = %s "
        "ORDER BY w.bucket, w.device FOR UPDATE OF w) "
        "UPDATE device_watch w SET unseen = h.lost FROM held h "
        "WHERE w.bucket = h.bucket AND w.tenant = %s AND w.device = h.device "
        "AND w.last_contact <= coalesce(h.lost, w.last_contact)",
        (
            [tx.bucket(None, "Device", contact.device) for contact in ordered],
            [contact.device for contact in ordered],
            [None if contact.online else contact.received for contact in ordered],
            tx.tenant,
            tx.tenant,
        ),
    )


async def set_stage(tx: Transaction, device: str, stage: Stage) -> None:
    """Note how far the silence of `device` has been told."""
    await tx.execute(
        "UPDATE device_watch SET stage = %s WHERE bucket = %s AND tenant = %s AND device = %s",
        (stage, tx.bucket(None, "Device", device), tx.tenant, device),
    )


async def due(tx: Transaction, listening_since: datetime, limit: int) -> list[Watched]:
    """Lock and return devices that may be silent; busy rows are left for later.

    Those that somebody else uses by now, or nobody, are watched for their new user instead.
    """
    first, second = _thresholds(tx.now, listening_since)
    if first is None:
        return []
    found = await tx.execute(
        "SELECT "
        + USER
        + ", "
        + _COLUMNS
        + " FROM device_watch w, (VALUES (%s::timestamptz)) t(now) "
        "WHERE w.tenant = %s AND " + _EXPECTED + " AND ((w.stage = 0 AND w.unseen <= %s) OR "
        "(w.last_contact < %s AND " + _WAITED + " < %s AND (w.stage = 0 OR " + _WAITED + " < %s))) "
        "ORDER BY w.last_contact LIMIT %s FOR UPDATE OF w SKIP LOCKED",
        (
            tx.now,
            tx.tenant,
            _MODE_KNOWN,
            tx.now - _CUT_OFF,
            first,
            *_PATIENCE,
            first,
            *_PATIENCE,
            second or datetime.min.replace(tzinfo=tx.now.tzinfo),
            limit,
        ),
    )
    held = [(user, Watched(*row)) for user, *row in found]
    await bind(tx, [watched.device for user, watched in held if user != watched.patient])
    return [watched for user, watched in held if user == watched.patient]


async def bind(tx: Transaction, devices: Sequence[str]) -> None:
    """Watch `devices` for who uses them now, as their DeviceUseStatements say.

    For somebody new a watch begins with the first word said in their time.
    """
    if not devices:
        return
    ordered = sorted(set(devices))
    await tx.execute(
        "WITH held AS (SELECT w.bucket, w.device, " + USER + " AS patient FROM device_watch w "
        "JOIN unnest(%(buckets)s::smallint[], %(devices)s::text[]) AS wanted(bucket, device) "
        "ON wanted.bucket = w.bucket AND wanted.device = w.device, "
        "(VALUES (%(now)s::timestamptz)) t(now) WHERE w.tenant = %(tenant)s "
        "ORDER BY w.bucket, w.device FOR UPDATE OF w) "
        "UPDATE device_watch w SET patient = h.patient, mode = NULL, mode_at = NULL, stage = 0 "
        "FROM held h WHERE w.bucket = h.bucket AND w.tenant = %(tenant)s AND w.device = h.device "
        "AND w.patient IS DISTINCT FROM h.patient",
        {
            "tenant": tx.tenant,
            "now": tx.now,
            "buckets": [tx.bucket(None, "Device", device) for device in ordered],
            "devices": ordered,
        },
    )


async def in_use(tx: Transaction, device: str, patient: str, at: datetime) -> bool:
    """Return whether `device` was in use by `patient` at `at`."""
    found = await tx.execute(
        "SELECT 1 FROM device_binding WHERE bucket = %s AND tenant = %s AND device = %s AND "
        "patient = %s "
        "AND (starts IS NULL OR starts <= %s) AND (ends IS NULL OR ends > %s) LIMIT 1",
        (tx.bucket(None, "Device", device), tx.tenant, device, patient, at, at),
    )
    return bool(found)


class Use(NamedTuple):
    """A time in which somebody used a device; None is open."""

    starts: datetime | None
    ends: datetime | None

    def covers(self, at: datetime) -> bool:
        """Return whether `at` lies in it."""
        return (self.starts is None or self.starts <= at) and (self.ends is None or self.ends > at)


async def uses(tx: Transaction, device: str, patient: str) -> list[Use]:
    """Return when `patient` used `device`."""
    found = await tx.execute(
        "SELECT starts, ends FROM device_binding WHERE bucket = %s AND tenant = %s AND device = %s "
        "AND patient = %s",
        (tx.bucket(None, "Device", device), tx.tenant, device, patient),
    )
    return [Use(*row) for row in found]


async def due_tenants(execute: Execute, now: datetime, listening_since: datetime) -> list[int]:
    """Return the tenants a scan would find something in; needs a role that sees all of them."""
    first, _ = _thresholds(now, listening_since)
    silent_before = first or datetime.min.replace(tzinfo=now.tzinfo)
    found = await execute(
        "SELECT DISTINCT tenant FROM evaluation WHERE due <= %s UNION SELECT DISTINCT tenant "
        "FROM device_watch w WHERE " + _EXPECTED + " "
        "AND ((w.stage = 0 AND w.unseen <= %s) OR (w.last_contact < %s AND " + _WAITED + " < %s)) "
        "UNION SELECT DISTINCT tenant FROM alert WHERE kept_alive IS NOT NULL AND closed IS NULL "
        "AND condition = 'present' UNION SELECT DISTINCT tenant FROM device_trouble WHERE look_at <= %s",
        (now, _MODE_KNOWN, now - _CUT_OFF, silent_before, *_PATIENCE, silent_before, now),
    )
    return [tenant for (tenant,) in found]


def _thresholds(
    now: datetime, listening_since: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return the last contacts that mean silent and lost; None while not listened long enough."""
    listened = (now - listening_since).total_seconds()
    first = now - timedelta(seconds=SILENT_AFTER.value)
    second = now - timedelta(seconds=MONITORING_LOST_AFTER.value)
    return (
        first if listened >= SILENT_AFTER.value else None,
        second if listened >= MONITORING_LOST_AFTER.value else None,
    )
