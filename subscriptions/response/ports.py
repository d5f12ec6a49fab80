"""What the response part needs from others. `fhirserver.bootstrap` decides who gives it."""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Grant
from fhirserver.kernel.resource import Stored
from fhirserver.kernel.search_page import SearchPage
from fhirserver.search.asked import Query
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

    async def access(self, tx: Transaction, owner: Grant) -> Access:
        """Return what the owner of a Subscription may touch now, as far as its scopes go."""

    async def accesses(self, tx: Transaction, owners: Collection[Grant]) -> Mapping[Grant, Access]:
        """Return what each of many owners may touch now, for one question to the database."""

    def sees(self, access: Access, stored: Stored) -> bool:
        """Return whether `access` covers reading this version; nobody sees a deletion."""


class OwnerSearch(Protocol):
    """The record searched as one caller: a match that `access` does not cover is none."""

    async def __call__(self, access: Access, query: Query) -> SearchPage:
        """Return a page of matches. Raises `TooCostly`, `Unavailable`."""
