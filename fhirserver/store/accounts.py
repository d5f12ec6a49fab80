"""Who may ask: bearer tokens, CareTeam memberships, the epoch that says something about access changed, tenants, and
broker credentials of devices.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fhirserver.kernel import canonical
from fhirserver.kernel.errors import NotFound, Unprocessable
from fhirserver.kernel.principal import Grant, Membership, Principal
from fhirserver.store.caller import entering
from fhirserver.store.connection import Query
from fhirserver.store.database import Pool
from fhirserver.store.telemetry import device_bucket
from fhirserver.store.transaction import WriteTransaction

_TOKEN_BYTES = 32
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


async def grant(pool: Pool, token: str, now: datetime) -> Grant | None:
    """Return what `token` stands for, None when it is unknown or has expired."""
    async with pool.connection() as connection:
        found = await connection.rows(
            "SELECT tenant, kind, reference FROM access_token WHERE digest = %s AND expires > %s",
            (_digest(token), now),
        )
    return Grant(Principal(*found[0])) if found else None


async def issue_token(pool: Pool, holder: Principal, lifetime: timedelta, now: datetime) -> str:
    """Return a fresh token of `holder`; only its hash is kept."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    async with pool.connection() as connection:
        await connection.rows(
            "INSERT INTO access_token (digest, tenant, kind, reference, issued, expires) VALUES (%s, %s, %s, %s, %s, %s)",
            (_digest(token), holder.tenant, holder.kind, holder.reference, now, now + lifetime),
        )
    return token


async def memberships(pool: Pool, tenant: int, member: str) -> Sequence[Membership]:
    """Return the CareTeam memberships of `member`, also those whose period is over: the decision is made elsewhere."""
    asked = Query(
        "SELECT patient, member, role, starts, ends FROM care_membership WHERE tenant = %s AND member = %s",
        (tenant, member),
    )
    async with pool.connection() as connection:
        _, rows = await connection.round((entering(tenant), asked))
    return [Membership(*row) for row in rows]


async def access_epoch(pool: Pool) -> int:
    """Return a number that grows with every change of who may see what."""
    async with pool.connection() as connection:
        found = await connection.rows("SELECT epoch FROM access_epoch")
    return int(found[0][0]) if found else 0


async def ensure_tenant(pool: Pool, name: str) -> int:
    """Return the number of the tenant called `name`, creating it when there is none."""
    async with pool.connection() as connection:
        await connection.rows(
            "INSERT INTO tenant (tenant, name) SELECT coalesce(max(tenant), 0) + 1, %s FROM tenant "
            "WHERE NOT EXISTS (SELECT 1 FROM tenant WHERE name = %s) ON CONFLICT DO NOTHING",
            (name, name),
        )
    number = await tenant_number(pool, name)
    if number is None:
        return await ensure_tenant(pool, name)
    return number


async def tenant_number(pool: Pool, name: str) -> int | None:
    """Return the number of the tenant called `name`, None when there is none."""
    async with pool.connection() as connection:
        found = await connection.rows("SELECT tenant FROM tenant WHERE name = %s", (name,))
    return int(found[0][0]) if found else None


async def tenants(pool: Pool) -> Sequence[tuple[int, str]]:
    """Return every tenant as (number, name)."""
    async with pool.connection() as connection:
        found = await connection.rows("SELECT tenant, name FROM tenant ORDER BY tenant")
    return [(number, name) for number, name in found]


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
            _digest(password),
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
    if not found or not secrets.compare_digest(found[0][0], _digest(password)):
        return None
    return tenant_name, address, tuple(found[0][1])


def _address(device: dict[str, Any]) -> str | None:
    for identifier in device.get("identifier", ()):
        if identifier.get("system") == canonical.DEVICE_EUI64:
            digits = str(identifier.get("value", "")).replace("-", "").replace(":", "").upper()
            if len(digits) == 16 and all(one in "0123456789ABCDEF" for one in digits):
                return digits
    return None


def _digest(secret: str) -> bytes:
    # The secret is 192 random bits or more, so a plain hash cannot be searched; a slow one would only slow us down.
    return hashlib.sha256(secret.encode()).digest()
