"""The sealed secret of a Subscription's channel, in the row of its cursor."""

from fhirserver.kernel.ports import Transaction
from subscriptions.store.cursor_rows import bucket


def keep(tx: Transaction, subscription: str, sealed: bytes) -> None:
    """Replace the secret of a Subscription."""
    tx.execute_later(
        "UPDATE subscription_cursor SET secret = %s"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s",
        (sealed, bucket(tx, subscription), tx.tenant, subscription),
    )


def forget(tx: Transaction, subscription: str) -> None:
    """Drop the secret of a Subscription, if it has one."""
    tx.execute_later(
        "UPDATE subscription_cursor SET secret = NULL"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s AND secret IS NOT NULL",
        (bucket(tx, subscription), tx.tenant, subscription),
    )


async def secret(tx: Transaction, subscription: str) -> bytes | None:
    """Return the sealed secret, None without one."""
    rows = await tx.execute(
        "SELECT secret FROM subscription_cursor"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s",
        (bucket(tx, subscription), tx.tenant, subscription),
    )
    return rows[0][0] if rows else None
