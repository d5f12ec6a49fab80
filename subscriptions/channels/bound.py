"""A Subscription bound to a websocket: what was read of it, and whether it may go on.

Access is that of the Subscription's owner and of whoever got the token: both must be able to read
the Subscription itself, which belongs to the patients its filters name.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import structlog

from fhirserver.auth import may
from fhirserver.auth.kept_scopes import grant_of
from fhirserver.definitions.patient_of import belongs_to, patients_of
from fhirserver.kernel.canonical import TOPIC_ALERT_TASK, TOPIC_DEVICE_ALERT
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Grant, Principal
from fhirserver.kernel.resource import Json
from subscriptions.channels.websocket import CODE
from subscriptions.core.client_subscription import Wishes, owner_of, wishes
from subscriptions.core.subscription_check import ended
from subscriptions.core.topic import Topic
from subscriptions.core.topic_catalog import Topics
from subscriptions.core.websocket_binding import (
    ENDED,
    NO_ACCESS,
    TAKEN_OVER,
    Close,
    Conversation,
    Key,
)
from subscriptions.response.ports import Visibility
from subscriptions.store import binding_rows
from subscriptions.store.binding_rows import Changed, Held

DEFAULT_BATCH: Final = 50
ALERT_TOPICS: Final = frozenset((TOPIC_DEVICE_ALERT, TOPIC_ALERT_TASK))
ALERT_HEARTBEAT: Final = timedelta(seconds=10)
LARGEST_BATCH: Final = 100

_log = structlog.get_logger("websocket")


@dataclass(eq=False, slots=True)
class Socket:
    """One open socket: what was agreed on it, and how it is woken and ended by others.

    `whose` is what the owner of what it was bound to first had in hand; `note` is to be sent and not kept.
    """

    conversation: Conversation
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    close: Close | None = None
    whose: Grant | None = None
    note: str | None = None

    def end(self, why: Close) -> None:
        """Have it closed; the first reason counts."""
        if self.close is None:
            self.close = why
            self.ended.set()


@dataclass(eq=False, slots=True)
class Bound:
    """A Subscription that `socket` holds.

    `form` is the same for those that get the same Bundle of the same events; `place` is its cursor
    as it was last seen.
    """

    socket: Socket
    key: Key
    holder: Principal
    owner: Grant
    resource: Json
    wanted: Wishes
    topic: Topic | None
    patients: frozenset[str]
    form: str
    place: Held

    @property
    def batch(self) -> int:
        """How many events one notification may carry."""
        return min(self.wanted.max_count or DEFAULT_BATCH, LARGEST_BATCH)

    @property
    def heartbeat(self) -> timedelta | None:
        """After how long a silence a heartbeat is due, None for never.

        Whoever waits for alerts hears one in any case: its absence is all they notice of an outage.
        """
        seconds = self.wanted.heartbeat
        if seconds:
            return timedelta(seconds=seconds)
        return ALERT_HEARTBEAT if self.wanted.topic in ALERT_TOPICS else None

    def end(self, why: Close) -> None:
        """Have the socket closed because of this Subscription."""
        if self.socket.close is None:
            _log.info("socket ends", subscription=self.key[1], code=why.code)
            self.socket.end(why)


class Reading:
    """Reads Subscriptions for sockets, and decides whether they may go on."""

    def __init__(self, topics: Topics, visibility: Visibility) -> None:
        """Look topics up in `topics`; ask `visibility` who may see what."""
        self._topics = topics
        self._visibility = visibility

    def read(
        self, tx: Transaction, socket: Socket, key: Key, resource: Json, holder: Principal
    ) -> Bound | None:
        """Return what `resource` asks to have sent over `socket`, None when it asks for nothing."""
        wanted = wishes(resource)
        owner = owner_of(resource, tx.tenant)
        is_over = wanted.end is not None and ended(wanted.end, tx.now)
        is_served = wanted.way == CODE and resource.get("status") == "active" and not is_over
        if owner is None or not is_served:
            return None
        return Bound(
            socket=socket,
            key=key,
            holder=holder,
            owner=grant_of(resource, owner),
            resource=resource,
            wanted=wanted,
            topic=self._topics.of(tx.tenant).find(wanted.topic),
            patients=frozenset(patients_of(resource)),
            form=repr((grant_of(resource, owner), wanted.topic, wanted.content, wanted.payload)),
            place=Held(0, key[1], 0, 0),
        )

    async def allowed(self, tx: Transaction, several: Sequence[Bound]) -> list[Bound]:
        """Return those of `several` that owner and holder of the token may both see now."""
        if not several:
            return []
        holders = {bound.holder: Grant(bound.holder) for bound in several}
        owners = {bound.owner for bound in several}
        accesses = await self._visibility.accesses(tx, {*owners, *holders.values()})
        return [
            bound
            for bound in several
            if _sees(accesses[bound.owner], bound) and _sees(accesses[holders[bound.holder]], bound)
        ]

    async def switch_off(self, tx: Transaction, several: Sequence[Bound]) -> None:
        """Switch those of `several` off whose end has come."""
        for bound in several:
            end = bound.wanted.end
            if end is None or not ended(end, tx.now):
                continue
            resource = await tx.get("Subscription", bound.key[1], lock=True)
            if (
                resource is not None
                and resource["status"] == "active"
                and resource.get("end") == end
            ):
                await tx.put({**resource, "status": "off"}, id_=bound.key[1])

    async def follow(self, tx: Transaction, several: Sequence[Bound]) -> set[Bound]:
        """Take in what changed of `several`; return those that go on, the others are ended."""
        if not several:
            return set()
        found = await binding_rows.changed(tx, [bound.place for bound in several])
        changes = {one.subscription: one for one in found}
        left: set[Bound] = set()
        for bound in several:
            change = changes.get(bound.key[1])
            if change is None:
                left.add(bound)
                continue
            why = await self._take_in(tx, bound, change)
            if why is None:
                left.add(bound)
            else:
                bound.end(why)
        return left

    async def _take_in(self, tx: Transaction, bound: Bound, change: Changed) -> Close | None:
        if change.epoch is None or change.revision is None or change.status != "active":
            return ENDED
        if change.epoch != bound.place.epoch:
            return TAKEN_OVER
        resource = await tx.get("Subscription", bound.key[1])
        fresh = (
            None
            if resource is None
            else self.read(tx, bound.socket, bound.key, resource, bound.holder)
        )
        if fresh is None:
            return ENDED
        if not await self.allowed(tx, [fresh]):
            return NO_ACCESS
        bound.owner, bound.resource, bound.wanted = fresh.owner, fresh.resource, fresh.wanted
        bound.topic, bound.patients, bound.form = fresh.topic, fresh.patients, fresh.form
        bound.place = replace(bound.place, revision=change.revision)
        bound.socket.conversation.beats(bound.key, bound.heartbeat)
        return None


def _sees(access: Access, bound: Bound) -> bool:
    return access.everything or may(
        access, "read", "Subscription", bound.patients, belongs_to("Subscription").kind
    )
