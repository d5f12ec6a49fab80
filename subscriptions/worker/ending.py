"""Switches Subscriptions off whose end has come and that nobody delivers.

Whoever delivers a Subscription notices its end by itself. A websocket Subscription without a socket,
and one in status ``error``, have nobody who would.

Spec: https://hl7.org/fhir/R4/subscription-definitions.html#Subscription.end
"""

from typing import Final

import structlog

from subscriptions.core.subscription_check import ended
from subscriptions.store import cursor_rows
from subscriptions.worker.ports import Clock, Scan, Transactions

_log = structlog.get_logger("delivery")
_AT_ONCE: Final = 100


class Ending:
    """Looks for them now and then, in any number of processes."""

    def __init__(self, *, transactions: Transactions, scan: Scan, clock: Clock) -> None:
        """Work through `transactions`, find by `scan`."""
        self._transactions = transactions
        self._scan = scan
        self._clock = clock

    async def run_due(self) -> None:
        """Write ``off`` into each whose end has come; what does not fit into one turn waits for the next."""
        for tenant, subscription in await self._scan(
            cursor_rows.ENDED_UNNOTICED, (self._clock(), _AT_ONCE)
        ):
            await self._switch_off(tenant, subscription)

    async def _switch_off(self, tenant: int, subscription: str) -> None:
        async with self._transactions(tenant) as tx:
            resource = await tx.get("Subscription", subscription, lock=True)
            if resource is None or resource["status"] == "off":
                return
            end = resource.get("end")
            if end is None or not ended(end, tx.now):
                return  # its owner was faster
            said = {key: value for key, value in resource.items() if key != "error"}
            await tx.put({**said, "status": "off"}, id_=subscription)
        _log.info("declared", subscription=subscription, status="off", why="its end")
