"""Machine alarms that are no longer repeated: their condition is unknown, the alert stays."""

from datetime import timedelta

from fhirserver.kernel.ports import Transaction
from subscriptions.core.constants import KEEP_ALIVE_LOST_AFTER
from subscriptions.core.device_alarm import no_longer_repeated
from subscriptions.core.findings import Finding
from subscriptions.store import alert_rows


async def stale_findings(tx: Transaction, limit: int) -> list[Finding]:
    """Return one finding for each alert whose machine has fallen silent about it."""
    before = tx.now - timedelta(seconds=KEEP_ALIVE_LOST_AFTER.value)
    return [
        no_longer_repeated(alert, tx.now)
        for alert in await alert_rows.gone_quiet(tx, before, limit)
    ]
