"""Who is told about an alert, inside the transaction that changed it."""

from typing import Protocol

from fhirserver.kernel.ports import ChangeObserver, Transaction
from subscriptions.core.alert import Alert, Cause


class AlertListener(Protocol):
    """Whoever brings an alert to people. Called in the transaction that changed the alert row."""

    async def alert_changed(
        self, tx: Transaction, alert: Alert, previous: Alert | None, cause: Cause
    ) -> None:
        """React to `alert`, already stored with its Flag; `previous` None: raised just now.

        ``raised``: a new alert, perhaps joining an open incident (`alert.incident` of an older
        alert). ``priority-raised`` and ``rang-again``: `alert.generation` has grown, ring from the
        first rung. ``condition-ended``: what was wrong is over; timers ignore this on purpose.
        ``updated``: anything else worth knowing (the condition is back or went stale), nobody is
        called for it. An alert with `pages` False is never told to anyone.
        """


class ResponsePart(ChangeObserver, AlertListener, Protocol):
    """What the composite observer needs from the part that reaches people."""
