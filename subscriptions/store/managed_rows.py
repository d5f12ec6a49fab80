"""Rows of `subscription_cursor`, as far as only the telephones of managed Subscriptions need them."""

from fhirserver.kernel.ports import Transaction
from subscriptions.core.message import Language
from subscriptions.store.cursor_rows import bucket


async def may_send(tx: Transaction, subscription: str, epoch: int) -> bool:
    """Return whether the holder of the lease `epoch` may still send: no STOP, nobody took over."""
    rows = await tx.execute(
        "SELECT status IN ('requested', 'active') AND epoch = %s FROM subscription_cursor"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s",
        (epoch, bucket(tx, subscription), tx.tenant, subscription),
    )
    return bool(rows and rows[0][0])


async def wake(tx: Transaction, subscription: str) -> None:
    """Let an active Subscription be looked at now, without a new event."""
    await tx.execute(
        "UPDATE subscription_cursor SET due_at = %s"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s AND status = 'active'"
        " AND (due_at IS NULL OR due_at > %s)",
        (tx.now, bucket(tx, subscription), tx.tenant, subscription, tx.now),
    )


async def speak(tx: Transaction, subscription: str, language: Language) -> None:
    """Use `language` for a managed Subscription from now on."""
    await tx.execute(
        "UPDATE subscription_cursor SET language = %s"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s AND language <> %s",
        (language, bucket(tx, subscription), tx.tenant, subscription, language),
    )
