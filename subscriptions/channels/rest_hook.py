"""The rest-hook channel: notification Bundles by HTTP POST.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#rest-hook. ``requested`` is
answered by a handshake: 2xx makes the Subscription ``active``, anything else ``error``. Active ones
get their events in order, up to max-count a Bundle; a failing endpoint is retried with growing
pauses for ten minutes, then declared in ``error``, from which only the client brings it back.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, cast
from uuid import UUID

from fhirserver.kernel.canonical import TOPIC_DEVICE_ALERT
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.channels.egress import Egress, EndpointFailed
from subscriptions.core.backoff import gives_up, next_delay
from subscriptions.core.client_subscription import Wishes, wishes
from subscriptions.core.incident_task import operator_task
from subscriptions.core.notification import (
    Content,
    Focus,
    Kind,
    NumberedEvent,
    StatusHeader,
    notification,
)
from subscriptions.core.subscription_check import ended
from subscriptions.response.ports import Visibility
from subscriptions.store import attempt_rows, cursor_rows, event_rows
from subscriptions.store.attempt_rows import NewAttempt
from subscriptions.store.cursor_rows import Claim
from subscriptions.store.event_rows import EventRow

DEFAULT_TIMEOUT: Final = 10
DEFAULT_BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class Notification:
    """One Bundle on its way. `failure` is why it did not get there, None when it did."""

    attempt: UUID
    kind: Kind
    version: str
    through: int
    url: str
    headers: dict[str, str]
    body: bytes
    timeout: float
    failure: str | None = None


class RestHook:
    """Implements `Channel`. `base` is the public FHIR base URL without a slash at its end."""

    def __init__(
        self, *, base: str, egress: Egress, visibility: Visibility, draw: Callable[[], float]
    ) -> None:
        """Send through `egress`; `draw` returns a random number in [0, 1)."""
        self._base = base
        self._egress = egress
        self._visibility = visibility
        self._draw = draw

    async def prepare(self, tx: Transaction, claim: Claim) -> Notification | None:
        """See `Channel.prepare`."""
        resource = await tx.get("Subscription", claim.subscription)
        if resource is None or resource["status"] not in ("requested", "active"):
            await cursor_rows.release(tx, claim)
            return None
        if "end" in resource and ended(resource["end"], tx.now):
            await cursor_rows.release(tx, claim)
            await tx.put({**resource, "status": "off"}, id_=claim.subscription)
            return None
        for orphan in await attempt_rows.unfinished(tx, claim.subscription):
            await attempt_rows.finish(tx, orphan.id, "lost", None)
        if resource["status"] == "requested":
            return await self._build(tx, claim, resource, "handshake", [])
        wanted = wishes(resource)
        rows = await event_rows.numbered(
            tx,
            claim.subscription,
            claim.delivered_through,
            claim.last_number,
            wanted.max_count or DEFAULT_BATCH,
        )
        if rows:
            return await self._build(tx, claim, resource, "event-notification", rows)
        if wanted.heartbeat is not None:
            return await self._build(tx, claim, resource, "heartbeat", [])
        await cursor_rows.release(tx, claim)
        return None

    async def _build(
        self, tx: Transaction, claim: Claim, resource: Json, kind: Kind, rows: list[EventRow]
    ) -> Notification:
        wanted = wishes(resource)
        attempt = UUID(tx.new_id(None))
        through = rows[-1].number if rows else claim.delivered_through
        header = StatusHeader(
            self._base, claim.subscription, claim.topic, str(resource["status"]), through
        )
        content: Content = wanted.content or "empty"
        events = [await self._event(tx, claim, content, row) for row in rows]
        bundle = notification(header, kind, content, events, at=tx.now, entry_id=attempt)
        await attempt_rows.begin(
            tx,
            NewAttempt(
                id=attempt,
                subscription=claim.subscription,
                epoch=claim.epoch,
                number=through if rows else None,
                medium="rest-hook",
                task=None,
                page=None,
                incident=None,
                patient=None,
                member=None,
                communication=None,
                phone_lookup=None,
                detail=None,
            ),
        )
        return Notification(
            attempt=attempt,
            kind=kind,
            version=str(resource["meta"]["versionId"]),
            through=through,
            url=str(wanted.endpoint),
            headers=_headers(wanted),
            body=fhir_json.write(bundle),
            timeout=wanted.timeout or DEFAULT_TIMEOUT,
        )

    async def _event(
        self, tx: Transaction, claim: Claim, content: Content, row: EventRow
    ) -> NumberedEvent:
        if content == "empty":
            return NumberedEvent(row.number, row.at, None)
        resource = await tx.get(row.focus_type, row.focus_id)
        if resource is not None and not await self._may_see(tx, claim, resource):
            return NumberedEvent(row.number, row.at, None)
        focus = Focus(row.action, row.focus_type, row.focus_id, resource)
        return NumberedEvent(row.number, row.at, focus)

    async def _may_see(self, tx: Transaction, claim: Claim, resource: Json) -> bool:
        if claim.owner_kind is None or claim.owner is None:
            return False
        owner = Principal(tx.tenant, cast("PrincipalKind", claim.owner_kind), claim.owner)
        return await self._visibility.may_see(tx, owner, resource)

    async def send(self, shipment: Notification) -> Notification:
        """See `Channel.send`."""
        try:
            await self._egress.post(shipment.url, shipment.headers, shipment.body, shipment.timeout)
        except EndpointFailed as problem:
            return replace(shipment, failure=str(problem))
        return shipment

    async def settle(self, tx: Transaction, claim: Claim, shipment: Notification) -> None:
        """See `Channel.settle`."""
        failed = shipment.failure is not None
        outcome: attempt_rows.Outcome = "unavailable" if failed else "handed-over"
        await attempt_rows.finish(tx, shipment.attempt, outcome, None)
        if shipment.kind == "handshake":
            await self._shaken(tx, claim, shipment)
        elif not failed:
            await cursor_rows.succeeded(tx, claim, shipment.through)
        else:
            await self._failed(tx, claim)

    async def _shaken(self, tx: Transaction, claim: Claim, shipment: Notification) -> None:
        if not await cursor_rows.release(tx, claim):
            return
        resource = await tx.get("Subscription", claim.subscription, lock=True)
        if resource is None or str(resource["meta"]["versionId"]) != shipment.version:
            return  # changed meanwhile: what it says now will be shaken in its turn
        if shipment.failure is None:
            await tx.put({**resource, "status": "active"}, id_=claim.subscription)
        else:
            await self._declare_error(
                tx, claim, resource, "the handshake was not answered with 2xx"
            )

    async def _failed(self, tx: Transaction, claim: Claim) -> None:
        retry_at = tx.now + next_delay(claim.attempts + 1, self._draw())
        if not await cursor_rows.failed(tx, claim, retry_at):
            return
        if not gives_up(claim.failing_since or tx.now, tx.now):
            return
        resource = await tx.get("Subscription", claim.subscription, lock=True)
        if resource is not None and resource["status"] == "active":
            await self._declare_error(tx, claim, resource, "the endpoint does not answer with 2xx")

    async def _declare_error(self, tx: Transaction, claim: Claim, resource: Json, why: str) -> None:
        await tx.put({**resource, "status": "error", "error": why}, id_=claim.subscription)
        if claim.topic == TOPIC_DEVICE_ALERT:
            await tx.put(operator_task(None, "subscription-error", tx.now))


def _headers(wanted: Wishes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in wanted.headers:
        name, _, value = line.partition(":")
        headers[name.strip()] = value.strip()
    headers["Content-Type"] = wanted.payload or "application/fhir+json"
    return headers
