"""Retention policies of tenants, and when each was last applied."""

from datetime import timedelta
from typing import Final, LiteralString

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.retention import RetentionPolicy

EVERY: Final = timedelta(hours=24)

# Run by the scanning role without a transaction: whose policy was not applied since.
DUE: Final[LiteralString] = (
    "SELECT tenant FROM retention_policy WHERE (run_at IS NULL OR run_at < %s) "
    "AND num_nonnulls(history_days, telemetry_days, audit_days) > 0"
)


async def read(tx: Transaction) -> RetentionPolicy:
    """Return the policy of the tenant of `tx`; one that was never set keeps everything."""
    found = await tx.execute(
        "SELECT history_days, telemetry_days, audit_days FROM retention_policy WHERE tenant = %s",
        (tx.tenant,),
    )
    return RetentionPolicy(*found[0]) if found else RetentionPolicy()


async def write(tx: Transaction, policy: RetentionPolicy) -> None:
    """Replace the policy of the tenant of `tx`."""
    await tx.execute(
        "INSERT INTO retention_policy (tenant, history_days, telemetry_days, audit_days, set_at) "
        "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (tenant) DO UPDATE SET history_days = excluded.history_days, "
        "telemetry_days = excluded.telemetry_days, audit_days = excluded.audit_days, set_at = excluded.set_at",
        (tx.tenant, policy.history_days, policy.telemetry_days, policy.audit_days, tx.now),
    )


async def take(tx: Transaction) -> bool:
    """Note that the policy is applied now; False when somebody else has just done so."""
    found = await tx.execute(
        "UPDATE retention_policy SET run_at = %s WHERE tenant = %s AND (run_at IS NULL OR run_at < %s) "
        "RETURNING tenant",
        (tx.now, tx.tenant, tx.now - EVERY),
    )
    return bool(found)
