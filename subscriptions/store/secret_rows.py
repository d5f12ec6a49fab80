"""The sealed secret of a Subscription's channel, in the row of its cursor."""

from collections.abc import Sequence

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


async def secrets(tx: Transaction, subscriptions: Sequence[str]) -> dict[str, bytes]:
    """Return the sealed secrets of those `subscriptions` that have one."""
    rows = await tx.execute(
        "SELECT subscription, secret FROM subscription_cursor WHERE secret IS NOT NULL"
        " AND bucket = ANY(%s) AND tenant = %s AND subscription = ANY(%s)",
        ([bucket(tx, one) for one in subscriptions], tx.tenant, [*subscriptions]),
    )
    return dict(rows)
