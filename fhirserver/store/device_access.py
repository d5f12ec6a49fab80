"""Which devices the broker lets in: their credentials, and taking them away."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel import canonical
from fhirserver.kernel.errors import NotFound, Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.store.caller import entering
from fhirserver.store.connection import Query
from fhirserver.store.database import Pool
from fhirserver.store.telemetry import device_bucket
from fhirserver.store.tenants import tenant_number
from fhirserver.store.transaction import WriteTransaction

_SECRET_BYTES = 24
# A grant names every address; the broker reads it at each connection.
_MOST_BEHIND = 500


@dataclass(frozen=True, slots=True)
class DeviceCredential:
    """What a device needs to speak to the broker; `password` is shown once."""

    username: str
    password: str
    tenant: str
    device: str


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """One enrolment: times are aware, `behind` is how many devices it speaks for, None: not revoked, never heard."""

    device: str
    address: str
    enrolled: datetime
    revoked: datetime | None
    behind: int
    last_heard: datetime | None


@dataclass(frozen=True, slots=True)
class ChangedDevice:
    """Connections of `address` that began before `at` are good no more."""

    address: str
    at: datetime


async def enroll_device(
    tx: WriteTransaction, tenant_name: str, device: str, behind: Sequence[str] = ()
) -> DeviceCredential:
    """Return fresh broker credentials of ``Device/<device>``, replacing earlier ones.

    The credentials speak for the Devices `behind` it too, which need none of their own: those not yet enrolled are,
    with a secret nobody has. Raises `NotFound` when there is no such Device, `Unprocessable` when one has no EUI-64
    identifier or too many are behind one.
    """
    if len(behind) > _MOST_BEHIND:
        msg = f"a gateway speaks for at most {_MOST_BEHIND} devices"
        raise Unprocessable(msg)
    address = await _enrolled_address(tx, device)
    beyond = {await _enrolled_address(tx, one): one for one in behind}
    beyond.pop(address, None)
    for other, name in beyond.items():
        await tx.execute(
            "INSERT INTO device_enrollment (bucket, tenant, address, device, secret, enrolled) "
            "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (bucket, tenant, address) DO NOTHING",
            (
                device_bucket(tx.tenant, other),
                tx.tenant,
                other,
                name,
                secrets.token_bytes(32),
                tx.now,
            ),
        )
    password = secrets.token_urlsafe(_SECRET_BYTES)
    await tx.execute(
        "INSERT INTO device_enrollment (bucket, tenant, address, device, secret, enrolled, behind) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (bucket, tenant, address) DO UPDATE SET device = excluded.device, secret = excluded.secret, "
        "enrolled = excluded.enrolled, behind = excluded.behind, revoked = NULL",
        (
            device_bucket(tx.tenant, address),
            tx.tenant,
            address,
            device,
            secret_digest(password),
            tx.now,
            list(beyond),
        ),
    )
    return DeviceCredential(f"{tenant_name}.{address}", password, tenant_name, address)


async def _enrolled_address(tx: WriteTransaction, device: str) -> str:
    resource = await tx.get("Device", device)
    if resource is None:
        msg = f"Device/{device} is not known"
        raise NotFound(msg)
    address = _address(resource)
    if address is None:
        msg = f"Device/{device} needs an identifier with system {canonical.DEVICE_EUI64} before it can be enrolled"
        raise Unprocessable(msg, expression="Device.identifier")
    return address


async def revoke_device(tx: Transaction, device: str) -> bool:
    """Let ``Device/<device>`` in no more, alone or behind a gateway; return whether it was enrolled.

    The broker's side ends its connection (`fhirserver.revocation`). Enrolling it again lets it in again.
    """
    found = await tx.execute(
        "UPDATE device_enrollment SET revoked = coalesce(revoked, %s) WHERE tenant = %s AND device = %s RETURNING address",
        (tx.now, tx.tenant, device),
    )
    return bool(found)


async def listed_devices(tx: Transaction) -> Sequence[ListedDevice]:
    """Return every enrolment of the tenant, by Device id."""
    rows = await tx.execute(
        "SELECT e.device, e.address, e.enrolled, e.revoked, cardinality(e.behind), max(s.last_received) "
        "FROM device_enrollment e LEFT JOIN device_stream s "
        "ON s.bucket = e.bucket AND s.tenant = e.tenant AND s.address = e.address "
        "WHERE e.tenant = %s GROUP BY e.bucket, e.tenant, e.address ORDER BY e.device, e.address",
        (tx.tenant,),
    )
    return [ListedDevice(*row) for row in rows]


async def changed_since(pool: Pool, tenant: int, since: datetime) -> Sequence[ChangedDevice]:
    """Return whose connections may have to end: what was revoked or given new credentials at or after `since`.

    A gateway in front of a revoked device is among them.
    """
    asked = Query(
        "SELECT e.address, greatest(e.enrolled, e.revoked) FROM device_enrollment e "
        "WHERE e.tenant = %s AND greatest(e.enrolled, e.revoked) >= %s "
        "UNION ALL SELECT g.address, e.revoked FROM device_enrollment e JOIN device_enrollment g "
        "ON g.tenant = e.tenant AND g.behind @> ARRAY[e.address] "
        "WHERE e.tenant = %s AND e.revoked >= %s",
        (tenant, since, tenant, since),
    )
    async with pool.connection() as connection:
        _, rows = await connection.round((entering(tenant), asked))
    return [ChangedDevice(*row) for row in rows]


async def check_device(
    pool: Pool, username: str, password: str
) -> tuple[str, str, tuple[str, ...]] | None:
    """Return (tenant name, device address, addresses behind it) when the credentials are good, None otherwise."""
    tenant_name, _, address = username.partition(".")
    number = await tenant_number(pool, tenant_name)
    if number is None:
        return None
    asked = Query(
        "SELECT secret, behind FROM device_enrollment "
        "WHERE bucket = %s AND tenant = %s AND address = %s AND revoked IS NULL",
        (device_bucket(number, address), number, address),
    )
    async with pool.connection() as connection:
        _, found = await connection.round((entering(number), asked))
        if not found or not secrets.compare_digest(found[0][0], secret_digest(password)):
            return None
        behind = tuple(found[0][1])
        if behind:
            _, lost = await connection.round((entering(number), _revoked(number, behind)))
            behind = tuple(one for one in behind if (one,) not in lost)
    return tenant_name, address, behind


def _revoked(tenant: int, addresses: Sequence[str]) -> Query:
    return Query(
        "SELECT e.address FROM device_enrollment e JOIN unnest(%s::smallint[], %s::text[]) AS wanted(b, a) "
        "ON e.bucket = wanted.b AND e.address = wanted.a WHERE e.tenant = %s AND e.revoked IS NOT NULL",
        ([device_bucket(tenant, one) for one in addresses], list(addresses), tenant),
    )


def _address(device: dict[str, Any]) -> str | None:
    for identifier in device.get("identifier", ()):
        if identifier.get("system") == canonical.DEVICE_EUI64:
            digits = str(identifier.get("value", "")).replace("-", "").replace(":", "").upper()
            if len(digits) == 16 and all(one in "0123456789ABCDEF" for one in digits):
                return digits
    return None
