"""Finds the Subscriptions a change is an event for, and appends what they are owed."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Fired:
    """A change that is an event of a topic, with the hashes its Subscriptions may be filed under."""

    change: Change
    resource: Json
    values: AbstractSet[int]


class Matching:
    """Matches changes to Subscriptions; access is decided here and again when sent."""

    def __init__(self, topics: Catalog, visibility: Visibility) -> None:
        """Match by `topics`; ask `visibility` for Subscriptions that have an owner."""
        self._topics = topics
        self._visibility = visibility

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Append an event for each Subscription that each of `changes` concerns.

        One question a topic, however many changes there are.
        """
        fired: dict[str, list[_Fired]] = {}
        for change in changes:
            resource = change.resource if change.resource is not None else change.previous
            if resource is None:
                continue
            for topic in self._topics.watching(change.type):
                if topic.fires(change):
                    values = _values(tx, topic, resource)
                    fired.setdefault(topic.url, []).append(_Fired(change, resource, values))
        for url, several in fired.items():
            keys = sorted({key for one in several for key in one.values})
            filed = await match_rows.candidates(tx, url, keys)
            if filed:
                for one in several:
                    await self._append(tx, one, filed)

    async def _append(
        self, tx: Transaction, fired: _Fired, filed: Mapping[int, list[MatchRow]]
    ) -> None:
        found = {row.subscription: row for key in fired.values for row in filed.get(key, ())}
        wanted = [
            subscription
            for subscription, row in sorted(found.items())
            if all(alternatives & fired.values for alternatives in row.required)
            and await self._may_see(tx, row, fired.resource)
        ]
        change = fired.change
        event = NewEvent(change.action, change.type, change.id, change.version, change.patient)
        await event_rows.append(tx, event, wanted)

    async def _may_see(self, tx: Transaction, row: MatchRow, resource: Json) -> bool:
        if row.owner_kind is None or row.owner is None:
            return True
        owner = Principal(tx.tenant, cast("PrincipalKind", row.owner_kind), row.owner)
        return await self._visibility.may_see(tx, owner, resource)


def _values(tx: Transaction, topic: Topic, resource: Json) -> AbstractSet[int]:
    values = {filter_hash(tx, topic.url, "", "")}
    for parameter in topic.filters.values():
        values.update(
            filter_hash(tx, topic.url, parameter.name, value)
            for value in parameter.values(resource)
        )
    return values
