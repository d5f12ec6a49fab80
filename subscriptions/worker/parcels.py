"""Makes parcels: what a Subscription is sent, complete, from its resource and its events.

Many at once, for few questions to the database. Subscriptions are remembered by their revision:
every write of one moves it, so what is remembered is what it says.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never
from uuid import UUID

import structlog

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.channels.channel import Channel, Encloses, Parcel, TellsMore
from subscriptions.core.client_subscription import Wishes, wishes
from subscriptions.core.delivery import Errand, Handed, Lapsed, Missed, Nothing, Send
from subscriptions.core.notification import Kind
from subscriptions.core.payload import render
from subscriptions.core.topic import Topic
from subscriptions.core.topic_catalog import Catalog
from subscriptions.core.withheld_headers import with_values
from subscriptions.response.channel_secrets import NOTHING_KEPT, Kept, secrets_of
from subscriptions.response.notifications import Notifications, Told
from subscriptions.store import dead_letter_rows, event_rows
from subscriptions.store.cursor_rows import Claim
from subscriptions.store.dead_letter_rows import DeadLetter
from subscriptions.store.event_rows import EventRow, Wanted

DEFAULT_TIMEOUT: Final = 10
DEFAULT_BATCH: Final = 50
_REMEMBERED: Final = 10_000
_log = structlog.get_logger("delivery")


@dataclass(frozen=True, slots=True)
class Shipment:
    """A parcel on its way for a leased Subscription.

    `carried` events, about `patients`; `letter`: what it sends again for an administrator, and whether `more` wait.
    """

    claim: Claim
    errand: Errand
    parcel: Parcel
    carried: int
    letter: DeadLetter | None = None
    more: bool = False
    patients: frozenset[str] = frozenset()


Report = Handed | Missed | Nothing | Lapsed


@dataclass(slots=True)
class Order:
    """One errand while its parcel is made: in the end a `shipment`, or reports of why there is none."""

    claim: Claim
    send: Send
    reports: list[Report] = field(default_factory=list)
    shipment: Shipment | None = None

    def passed(self, through: int, *, more: bool = False) -> None:
        """Report that there is nothing to send, and everything up to `through` is done with."""
        cursor = self.claim.cursor
        done = Handed(cursor.epoch, self.send.errand, cursor.revision, through, more)
        self.reports.append(done)


@dataclass(frozen=True, slots=True)
class _Known:
    revision: int
    resource: Json
    wanted: Wishes
    kept: Kept


@dataclass(frozen=True, slots=True)
class _Draft:
    """An order with everything that goes into its parcel but the bytes."""

    order: Order
    known: _Known
    topic: Topic | None
    rows: Sequence[EventRow]
    attempt: UUID
    letter: DeadLetter | None
    more: bool


class Parcels:
    """Makes the parcels of one process."""

    def __init__(
        self,
        *,
        channels: Mapping[str, Channel],
        notifications: Notifications,
        topics: Callable[[int], Catalog],
    ) -> None:
        """Write for `channels` by their code; `topics` returns those a tenant has."""
        self._channels = channels
        self._notifications = notifications
        self._topics = topics
        self._remembered: OrderedDict[tuple[int, str], _Known] = OrderedDict()

    async def make(self, tx: Transaction, orders: Sequence[Order]) -> None:
        """Fill in the shipment of each order, or what to report instead."""
        letters = await dead_letter_rows.wanted(
            tx, [o.claim.subscription for o in orders if o.send.errand == "replay"]
        )
        known = await self._known(tx, [o.claim for o in orders])
        wanted = [_wanted(o, known[o.claim.subscription], letters) for o in orders]
        rows = await event_rows.numbered_of(tx, [one for one in wanted if one is not None])
        drafts: list[_Draft] = []
        for order in orders:
            draft = self._draft(tx, order, known, rows, letters)
            if draft is not None:
                drafts.append(draft)
        await self._plain(tx, [one for one in drafts if one.known.wanted.plain])
        await self._bundles(tx, [one for one in drafts if not one.known.wanted.plain])

    async def range_of(self, tx: Transaction, order: Order) -> tuple[int | None, int | None]:
        """Return the first and last number of the events an order is about, None for none."""
        known = (await self._known(tx, [order.claim]))[order.claim.subscription]
        letters = await dead_letter_rows.wanted(tx, [order.claim.subscription])
        wanted = _wanted(order, known, letters)
        if wanted is None:
            return None, None
        rows = await event_rows.numbered_of(tx, [wanted])
        events = rows.get(order.claim.subscription, [])
        return (events[0].number, events[-1].number) if events else (None, None)

    async def _known(self, tx: Transaction, claims: Sequence[Claim]) -> dict[str, _Known | None]:
        """Return what each Subscription says, None for one that is gone; two questions for all."""
        found: dict[str, _Known | None] = {}
        unknown: dict[str, int] = {}
        for claim in claims:
            key = (tx.tenant, claim.subscription)
            known = self._remembered.get(key)
            if known is not None and known.revision == claim.cursor.revision:
                self._remembered.move_to_end(key)
                found[claim.subscription] = known
            else:
                unknown[claim.subscription] = claim.cursor.revision
        if unknown:
            for id_, known in (await self._learned(tx, unknown)).items():
                found[id_] = known
                self._remembered[tx.tenant, id_] = known
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return {claim.subscription: found.get(claim.subscription) for claim in claims}

    async def _learned(self, tx: Transaction, revisions: Mapping[str, int]) -> dict[str, _Known]:
        versions = await tx.versions({("Subscription", id_): frozenset() for id_ in revisions})
        resources = {
            id_: fhir_json.read_own(versions["Subscription", id_][0].content)
            for id_ in revisions
            if ("Subscription", id_) in versions and not versions["Subscription", id_][0].deleted
        }
        kept = await secrets_of(tx, resources)
        return {
            id_: _Known(revisions[id_], resource, wishes(resource), kept.get(id_, NOTHING_KEPT))
            for id_, resource in resources.items()
        }

    def _draft(
        self,
        tx: Transaction,
        order: Order,
        known: Mapping[str, _Known | None],
        rows: Mapping[str, Sequence[EventRow]],
        letters: Mapping[str, Sequence[DeadLetter]],
    ) -> _Draft | None:
        """Return what is to be sent; None with the reports of `order` set when it is nothing."""
        claim = order.claim
        id_, cursor = claim.subscription, claim.cursor
        about = known[id_]
        if about is None:
            order.reports.append(Nothing(cursor.epoch))
            return None
        topic = self._topics(tx.tenant).find(about.wanted.topic)
        events = _unbroken(rows.get(id_, ()))
        waiting = letters.get(id_, ())
        letter = waiting[0] if waiting else None
        more = len(waiting) > 1
        if order.send.errand == "event-notification":
            self._note_lapsed(order, events)
            if not events:
                order.reports.append(Nothing(cursor.epoch))
                return None
        elif order.send.errand == "replay" and not events:
            # Nothing is left of what was wanted.
            if letter is not None:
                dead_letter_rows.settle_later(tx, letter, sent=False)
            order.passed(cursor.delivered_through, more=more)
            return None
        elif about.wanted.plain and not events:
            # R4 knows neither handshake nor heartbeat; an empty one would pass for an event.
            order.passed(cursor.delivered_through)
            return None
        return _Draft(order, about, topic, events, UUID(tx.new_id(None)), letter, more)

    def _note_lapsed(self, order: Order, events: Sequence[EventRow]) -> None:
        cursor = order.claim.cursor
        through = events[0].number - 1 if events else cursor.last_number
        if through > cursor.delivered_through:
            order.reports.append(Lapsed(cursor.epoch, through))

    async def _plain(self, tx: Transaction, drafts: Sequence[_Draft]) -> None:
        for draft in drafts:
            (row,) = draft.rows
            resource = await self._notifications.plain(tx, draft.known.resource, row)
            if resource is not None:
                self._pack(tx, draft, resource)
                continue
            if draft.letter is not None:
                dead_letter_rows.settle_later(tx, draft.letter, sent=False)
            draft.order.passed(row.number, more=draft.more)

    async def _bundles(self, tx: Transaction, drafts: Sequence[_Draft]) -> None:
        if not drafts:
            return
        told = [_told(tx, draft, self._topic(draft)) for draft in drafts]
        bundles = await self._notifications.bundles(tx, told)
        for draft, one, bundle in zip(drafts, told, bundles, strict=True):
            channel = self._channels[draft.order.claim.channel]
            enclosed: object = None
            if isinstance(channel, Encloses):
                enclosed = await channel.enclosed(tx, one, bundle)
                if enclosed is None:
                    draft.order.passed(draft.order.claim.cursor.delivered_through)
                    continue
            self._pack(tx, draft, bundle, enclosed)

    def _topic(self, draft: _Draft) -> Topic | None:
        """Return the topic with what the channel needs beside its own shape."""
        channel = self._channels[draft.order.claim.channel]
        if draft.topic is None or not isinstance(channel, TellsMore):
            return draft.topic
        return draft.topic.with_beside(channel.beside)

    def _pack(self, tx: Transaction, draft: _Draft, content: Json, enclosed: object = None) -> None:
        """Write `content` into the parcel of a draft; what cannot be written never will be."""
        order, wanted = draft.order, draft.known.wanted
        first = draft.rows[0].number if draft.rows else None
        last = draft.rows[-1].number if draft.rows else None
        channel = self._channels[order.claim.channel]
        try:
            body = render(content, channel.written_as(wanted.payload))
        except ValueError as problem:
            _log.error("cannot be written", problem=type(problem).__name__)
            order.reports.append(refused(order, first, last, "its content cannot be written"))
            return
        try:
            headers = with_values(wanted.headers, draft.known.kept.headers)
        except KeyError:
            _log.error("a header has no value")
            order.reports.append(refused(order, first, last, "a header value is not there"))
            return
        parcel = Parcel(
            subscription=order.claim.subscription,
            attempt=draft.attempt,
            kind=_kind(order.send.errand),
            topic=str(draft.known.resource.get("criteria", "")),
            title="" if draft.topic is None else draft.topic.title,
            content=wanted.content,
            endpoint=wanted.endpoint or "",
            headers=headers,
            mime=wanted.payload,
            body=body,
            first=first,
            last=last,
            happened=draft.rows[0].at if draft.rows else None,
            at=tx.now,
            timeout_seconds=wanted.timeout or DEFAULT_TIMEOUT,
            secret=draft.known.kept.secret,
            tenant=tx.tenant,
            enclosed=enclosed,
        )
        order.shipment = Shipment(
            order.claim,
            order.send.errand,
            parcel,
            len(draft.rows),
            draft.letter,
            draft.more,
            frozenset(row.patient for row in draft.rows if row.patient),
        )


def refused(order: Order, first: int | None, last: int | None, reason: str) -> Missed:
    """Return the report that the events `first` to `last` will never be taken as they are."""
    cursor = order.claim.cursor
    carried = 0 if first is None or last is None else last - first + 1
    return Missed(
        epoch=cursor.epoch,
        errand=order.send.errand,
        revision=cursor.revision,
        first=first,
        last=last,
        reason=reason,
        draw=0.0,
        verdict="never-this",
        carried=carried,
    )


def _wanted(
    order: Order, known: _Known | None, letters: Mapping[str, Sequence[DeadLetter]]
) -> Wanted | None:
    """Return which events an order is about, None for none."""
    send, cursor, id_ = order.send, order.claim.cursor, order.claim.subscription
    if known is None or send.errand in ("handshake", "heartbeat"):
        return None
    most = 1 if known.wanted.plain else known.wanted.max_count or DEFAULT_BATCH
    if send.limit is not None:
        most = min(most, send.limit)
    if send.errand == "event-notification":
        return Wanted(id_, send.after, cursor.last_number, most)
    if id_ not in letters:
        return None
    letter = letters[id_][0]
    return Wanted(id_, letter.first - 1, letter.last, most)


def _unbroken(rows: Sequence[EventRow]) -> Sequence[EventRow]:
    """Return `rows` up to the first number that is not kept any more."""
    return [row for place, row in enumerate(rows) if row.number == rows[0].number + place]


def _told(tx: Transaction, draft: _Draft, topic: Topic | None) -> Told:
    cursor = draft.order.claim.cursor
    return Told(
        subscription=draft.known.resource,
        topic=topic,
        kind=_kind(draft.order.send.errand),
        rows=draft.rows,
        status=cursor.status,
        through=draft.rows[-1].number if draft.rows else cursor.last_number,
        at=tx.now,
        entry_id=draft.attempt,
    )


def _kind(errand: Errand) -> Kind:
    match errand:
        case "handshake" | "heartbeat" | "event-notification":
            return errand
        case "replay":
            return "event-notification"
        case _:
            assert_never(errand)
