"""What the response part needs from others. `fhirserver.bootstrap` decides who gives it."""

from typing import Protocol
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from subscriptions.core.alert import Alert
from subscriptions.core.life_cycle import Transition


class Alerts(Protocol):
    """The alert rows; `subscriptions.evaluation.alerts` is one."""

    async def respond(
        self, tx: Transaction, alert_id: UUID, patient: str | None, transition: Transition, by: str
    ) -> Alert:
        """Move the response axis of an alert and mirror it to its Flag; return the alert after."""

    async def load(self, tx: Transaction, patient: str | None, alert_id: UUID) -> Alert:
        """Return the alert as it stands."""


class Visibility(Protocol):
    """The access decision as deliveries need it."""

    async def may_see(self, tx: Transaction, owner: Principal, resource: Json) -> bool:
        """Return whether the owner of a Subscription may see `resource` now."""
