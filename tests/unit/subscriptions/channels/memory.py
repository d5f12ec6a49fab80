"""What the database would hold for websockets, kept in memory, and a process over it."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.audit import Happening
from fhirserver.kernel.canonical import BACKPORT, TOPIC_DEVICE_ALERT
from fhirserver.kernel.errors import Unavailable
from fhirserver.kernel.principal import Access, Grant, Principal
from fhirserver.kernel.resource import Json
from subscriptions.channels.presences import Presences
from subscriptions.channels.sockets import Sockets
from subscriptions.core.client_subscription import with_owner
from subscriptions.core.delivery import Cursor
from subscriptions.response.notifications import Told
from subscriptions.store import binding_rows, cursor_rows, event_rows, socket_rows
from subscriptions.store.binding_rows import BindingToken, Changed, Held
from subscriptions.store.cursor_rows import Claim, Lease
from subscriptions.store.event_rows import EventRow, Wanted

T0 = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
NINA = Principal(1, "practitioner", "Practitioner/nina")


@dataclass
class Store:
    """What the database would hold, as far as sockets ask for it."""

    now: datetime = T0
    resources: dict[str, Json] = field(default_factory=dict)
    cursors: dict[str, Cursor] = field(default_factory=dict)
    tokens: dict[bytes, BindingToken] = field(default_factory=dict)
    events: dict[str, list[EventRow]] = field(default_factory=dict)
    patients: set[str] = field(default_factory=lambda: {"ann"})
    tenant: int = 1
    epoch: int = 1
    is_well: bool = True
    is_away: bool = False
    transactions: int = 0
    built: int = 0
    unfit: set[str] = field(default_factory=set)
    happenings: list[Happening] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: count(1))

    @asynccontextmanager
    async def transaction(self, tenant: int) -> AsyncIterator[Any]:
        if self.is_away:
            raise Unavailable("away")
        self.transactions += 1
        yield self

    async def get(self, type_: str, id_: str, *, lock: bool = False) -> Json | None:
        return self.resources.get(id_)

    async def put(self, resource: Json, *, id_: str) -> None:
        self.resources[id_] = resource
        self.edit(id_, status=resource["status"])

    def audit(self, happening: Happening) -> None:
        self.happenings.append(happening)

    def new_id(self, patient: str | None) -> str:
        return str(UUID(int=next(self.ids) * 7919))

    async def scan(self, sql: str, args: Sequence[Any]) -> list[tuple[Any, ...]]:
        if "binding_token" in sql:
            found = self.tokens.get(args[0])
            if found is None or found.expires <= args[1]:
                return []
            holder = found.holder
            subscriptions = list(found.subscriptions)
            return [(1, holder.kind, holder.reference, subscriptions, found.expires)]
        behind = [
            f"{id_} {one.last_number}"
            for id_, one in self.cursors.items()
            if one.last_number > one.delivered_through and one.lease_until is not None
        ]
        return [(1, ",".join(behind))] if behind else []

    def edit(self, id_: str, **values: Any) -> None:
        before = self.cursors[id_]
        self.cursors[id_] = replace(before, revision=before.revision + 1, **values)

    def happen(self, id_: str, times: int = 1) -> None:
        for _ in range(times):
            number = self.cursors[id_].last_number + 1
            self.cursors[id_] = replace(self.cursors[id_], last_number=number)
            row = EventRow(number, "create", "Flag", f"f{number}", 1, "ann", T0)
            self.events.setdefault(id_, []).append(row)

    # What the modules of rows do

    async def take(self, tx: Any, id_: str, lease: timedelta) -> Claim | None:
        if id_ not in self.cursors:
            return None
        before = self.cursors[id_]
        taken = replace(before, epoch=before.epoch + 1, lease_until=self.now + lease)
        self.cursors[id_] = taken
        return Claim(id_, 7, "websocket", None, None, None, None, None, taken)

    async def advance(self, tx: Any, sent: Iterable[tuple[str, int, int]]) -> frozenset[str]:
        still = set()
        for id_, epoch, through in sent:
            cursor = self.cursors.get(id_)
            if cursor is not None and cursor.epoch == epoch:
                self.cursors[id_] = replace(cursor, delivered_through=through)
                still.add(id_)
        return frozenset(still)

    async def give_back(self, tx: Any, held: Iterable[tuple[str, int]]) -> None:
        for id_, epoch in held:
            if id_ in self.cursors and self.cursors[id_].epoch == epoch:
                self.cursors[id_] = replace(self.cursors[id_], lease_until=None)

    async def renew(self, tx: Any, held: Iterable[Lease], lease: timedelta) -> frozenset[str]:
        still = (one for one in held if self.cursors[one.subscription].epoch == one.epoch)
        return frozenset(one.subscription for one in still)

    async def changed(self, tx: Any, held: Sequence[Held]) -> list[Changed]:
        found = []
        for one in held:
            cursor = self.cursors.get(one.subscription)
            if cursor is None:
                found.append(Changed(one.subscription, None, None, None))
            elif (cursor.epoch, cursor.revision, cursor.status) != (
                one.epoch,
                one.revision,
                "active",
            ):
                found.append(
                    Changed(one.subscription, cursor.epoch, cursor.revision, cursor.status)
                )
        return found

    async def numbered_of(self, tx: Any, wanted: Sequence[Wanted]) -> dict[str, list[EventRow]]:
        found = {
            one.subscription: [
                row
                for row in self.events.get(one.subscription, ())
                if one.after < row.number <= one.through
            ][: one.limit]
            for one in wanted
        }
        return {id_: rows for id_, rows in found.items() if rows}

    # What other parts do

    async def accesses(self, tx: Any, owners: Collection[Grant]) -> Mapping[Grant, Access]:
        patients = frozenset(self.patients)
        return {one: Access(one.principal, everything=False, patients=patients) for one in owners}

    async def bundles(self, tx: Any, asked: Sequence[Told]) -> list[Json]:
        self.built += len(asked)
        for one in asked:
            if one.subscription["id"] in self.unfit:
                raise ValueError("cannot be built")
        return [
            {
                "resourceType": "Bundle",
                "id": str(one.entry_id),
                "of": one.subscription["id"],
                "kind": one.kind,
                "through": str(one.through),
                "numbers": [str(row.number) for row in one.rows],
            }
            for one in asked
        ]

    def of(self, tenant: int) -> Any:
        return self

    def find(self, canonical: str) -> None:
        return None


def subscription(id_: str, max_count: int | None = None) -> Json:
    text = "Flag?patient=Patient/ann"
    limits = (
        [{"url": BACKPORT + "backport-max-count", "valuePositiveInt": max_count}]
        if max_count
        else []
    )
    resource: Json = {
        "resourceType": "Subscription",
        "id": id_,
        "status": "active",
        "criteria": TOPIC_DEVICE_ALERT,
        "_criteria": {
            "extension": [{"url": BACKPORT + "backport-filter-criteria", "valueString": text}]
        },
        "channel": {"type": "websocket", "payload": "application/fhir+json", "extension": limits},
    }
    return with_owner(resource, NINA)


def stored(monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with the Subscriptions s1 to s3, in place of the modules of rows."""
    store = Store()
    for name in ("take", "advance", "give_back"):
        monkeypatch.setattr(socket_rows, name, getattr(store, name))
    monkeypatch.setattr(cursor_rows, "renew", store.renew)
    monkeypatch.setattr(binding_rows, "changed", store.changed)
    monkeypatch.setattr(event_rows, "numbered_of", store.numbered_of)
    for id_ in ("s1", "s2", "s3"):
        offer(store, id_)
    return store


def token(id_: str) -> str:
    """The token of one of the Subscriptions."""
    return f"token-of-the-nurse-{id_}"


def offer(store: Store, id_: str, max_count: int | None = None) -> None:
    store.resources[id_] = subscription(id_, max_count)
    store.cursors[id_] = Cursor(status="active", topic=TOPIC_DEVICE_ALERT, by_socket=True)
    store.tokens[secret_digest(token(id_))] = BindingToken(NINA, (id_,), T0 + timedelta(hours=1))


def presences(store: Any) -> Presences:
    """Who has which chart open in a process that works on `store`."""
    return Presences(
        transactions=store.transaction,
        scan=store.scan,
        clock=lambda: store.now,
        visibility=store,
        access_epoch=lambda: store.epoch,
        new_id=lambda: UUID(int=next(store.ids)),
    )


def process(store: Any) -> Sockets:
    """The sockets of one process over `store`."""
    return Sockets(
        transactions=store.transaction,
        scan=store.scan,
        clock=lambda: store.now,
        visibility=store,
        notifications=store,
        topics=store,
        access_epoch=lambda: store.epoch,
        is_well=lambda: store.is_well,
    )
