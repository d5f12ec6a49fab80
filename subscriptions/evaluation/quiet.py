"""Machine alarms that are no longer repeated: their condition is unknown, the alert stays."""

from datetime import timedelta

from fhirserver.kernel.ports import Transaction
from subscriptions.core.constants import KEEP_ALIVE_LOST_AFTER
from subscriptions.core.findings import Finding
from subscriptions.store import alert_rows


async def stale_findings(tx: Transaction, limit: int) -> list[Finding]:
    """Return one finding for each alert whose machine has fallen silent about it."""
    before = tx.now - timedelta(seconds=KEEP_ALIVE_LOST_AFTER.value)
    return [
        Finding(
            what="went-stale",
            key=alert.key,
            patient=alert.patient,
            device=alert.device,
            system=alert.system,
            code=alert.code,
            display=alert.display,
            kind=alert.kind,
            family=alert.family,
            priority=alert.priority,
            at=tx.now,
            age=0.0,
            bound=alert.pages,
            live=True,
            damped=False,
            rule=None,
            rule_version=None,
            evidence=None,
            simulated=alert.simulated,
            detail={"reason": "no longer repeated by the machine"},
        )
        for alert in await alert_rows.gone_quiet(tx, before, limit)
    ]
