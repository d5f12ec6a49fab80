"""Makes every notification Bundle: reads what events are about, with the rights of who is told.

The only place that does, for all channels and for ``$events``. Access is decided again for every
resource: what a subscriber may not see now is neither named nor included, its number stays. A focus
must be visible both as it stands and as it was at the event: a resource that has become another
patient's is gone for who may only see the first.

Events carry the version of the event. Where the history no longer has it (a policy of retention),
the current version stands in; where there is none either, nothing can decide who may know of it,
and only those who see everything are told its name.

Specs: https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html,
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/payloads.html
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fhirserver.auth.kept_scopes import grant_of
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Grant
from fhirserver.kernel.resource import Json
from subscriptions.core.client_subscription import owner_of, wishes
from subscriptions.core.notification import (
    Content,
    Kind,
    NumberedEvent,
    StatusHeader,
    notification,
)
from subscriptions.core.topic import Topic
from subscriptions.response.notification_context import NotificationContext, Part, Seen, told_by
from subscriptions.response.ports import OwnerSearch, Visibility
from subscriptions.store.event_rows import EventRow


@dataclass(frozen=True, slots=True)
class Told:
    """One Bundle to be made.

    `rows` ascending, none for a handshake or heartbeat. `through`: the events since the
    Subscription's start that it states. `topic` None: the topic is not known any more.
    `content` None: what the Subscription says. `reader` None: the Subscription's owner.
    """

    subscription: Json
    topic: Topic | None
    kind: Kind
    rows: Sequence[EventRow]
    status: str
    through: int
    at: datetime
    entry_id: UUID
    content: Content | None = None
    reader: Access | None = None

    @property
    def level(self) -> Content:
        """Return the content level of the Bundle."""
        return self.content or wishes(self.subscription).content or "empty"


class Notifications:
    """Builds Bundles inside the transaction that asks. `base`: the FHIR base URL, no slash."""

    def __init__(
        self, *, base: str, visibility: Visibility, search: OwnerSearch | None = None
    ) -> None:
        """Decide by `visibility`; without `search` nothing that refers to a focus is included."""
        self._base = base
        self._visibility = visibility
        self._search = search

    async def bundle(self, tx: Transaction, told: Told) -> Json:
        """Return one notification Bundle."""
        (made,) = await self.bundles(tx, (told,))
        return made

    async def bundles(self, tx: Transaction, asked: Sequence[Told]) -> list[Json]:
        """Return the Bundles of `asked`, in their order, for as many questions as a single one takes."""
        needing = [one for one in asked if one.rows and one.level != "empty"]
        readers = await self._readers(tx, needing)
        versions = await tx.versions(_wanted(row for one in needing for row in one.rows))
        seen = Seen(self._visibility, versions)
        parts = {
            id(one): Part(
                one.topic, readers[id(one)], [seen.focus(readers[id(one)], row) for row in one.rows]
            )
            for one in needing
            if id(one) in readers
        }
        await NotificationContext(seen, self._search).look(tx, list(parts.values()))
        return [self._made(one, parts.get(id(one))) for one in asked]

    def _made(self, one: Told, part: Part | None) -> Json:
        events = [NumberedEvent(row.number, row.at, None) for row in one.rows]
        if part is not None:
            events = [
                NumberedEvent(row.number, row.at, focus, context)
                for row, focus, context in zip(one.rows, part.focuses, part.context, strict=True)
            ]
        header = self._header(one)
        return notification(header, one.kind, one.level, events, at=one.at, entry_id=one.entry_id)

    async def plain(self, tx: Transaction, subscription: Json, row: EventRow) -> Json | None:
        """Return the resource of an event of a plain R4 Subscription, as it was then.

        None when it was deleted, is gone, or is not for the owner's eyes.
        """
        owner = owner_of(subscription, tx.tenant)
        if owner is None or row.action == "delete":
            return None
        access = await self._visibility.access(tx, grant_of(subscription, owner))
        seen = Seen(self._visibility, await tx.versions(_wanted((row,))))
        focus = seen.focus(access, row)
        return None if focus is None else focus.resource

    def header(self, subscription: Json, topic: str, status: str, through: int) -> StatusHeader:
        """Return what a status says of `subscription`; `topic` is a canonical, or ""."""
        error = subscription.get("error") if status == "error" else None
        return StatusHeader(self._base, subscription["id"], topic, status, through, error)

    def _header(self, one: Told) -> StatusHeader:
        topic = "" if one.topic is None else one.topic.url
        return self.header(one.subscription, topic, one.status, one.through)

    async def _readers(self, tx: Transaction, asked: Sequence[Told]) -> dict[int, Access]:
        """Return by identity who is told by each of `asked`; nobody for those without an owner."""
        found = {id(one): one.reader for one in asked if one.reader is not None}
        owners: dict[int, Grant] = {}
        for one in asked:
            owner = owner_of(one.subscription, tx.tenant) if one.reader is None else None
            if owner is not None:
                owners[id(one)] = grant_of(one.subscription, owner)
        if owners:
            accesses = await self._visibility.accesses(tx, set(owners.values()))
            found |= {key: accesses[owner] for key, owner in owners.items()}
        return found


def _wanted(rows: Iterable[EventRow]) -> dict[tuple[str, str], set[int]]:
    wanted: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        wanted.setdefault((row.focus_type, row.focus_id), set()).add(told_by(row))
    return wanted
