"""Finds the Subscriptions a change is an event for, and appends what they are owed."""

from collections.abc import Sequence
from typing import cast

from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.kernel.resource import Json
from subscriptions.core.topic import Topic
from subscriptions.core.topic_catalog import Catalog
from subscriptions.response.ports import Visibility
from subscriptions.response.subscription_index import filter_hash
from subscriptions.store import event_rows, match_rows
from subscriptions.store.event_rows import NewEvent
from subscriptions.store.match_rows import MatchRow


class Matching:
    """Matches changes to Subscriptions; access is decided here and again when sent."""

    def __init__(self, topics: Catalog, visibility: Visibility) -> None:
        """Match by `topics`; ask `visibility` for Subscriptions that have an owner."""
        self._topics = topics
        self._visibility = visibility

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Append an event for each Subscription that each of `changes` concerns."""
        for change in changes:
            for topic in self._topics.watching(change.type):
                if topic.fires(change):
                    await self._match(tx, topic, change)

    async def _match(self, tx: Transaction, topic: Topic, change: Change) -> None:
        resource = change.resource if change.resource is not None else change.previous
        if resource is None:
            return
        values = {filter_hash(tx, topic.url, "", "")}
        for parameter in topic.filters.values():
            values.update(
                filter_hash(tx, topic.url, parameter.name, value)
                for value in parameter.values(resource)
            )
        found = await match_rows.candidates(tx, topic.url, sorted(values))
        wanted = [
            row.subscription
            for row in found
            if all(alternatives & values for alternatives in row.required)
            and await self._may_see(tx, row, resource)
        ]
        event = NewEvent(change.action, change.type, change.id, change.version, change.patient)
        await event_rows.append(tx, event, wanted)

    async def _may_see(self, tx: Transaction, row: MatchRow, resource: Json) -> bool:
        if row.owner_kind is None or row.owner is None:
            return True
        owner = Principal(tx.tenant, cast("PrincipalKind", row.owner_kind), row.owner)
        return await self._visibility.may_see(tx, owner, resource)
