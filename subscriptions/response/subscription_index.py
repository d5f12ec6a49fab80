"""Follows Subscription resources: the cursor each is delivered by, and how changes find it."""

from collections.abc import Sequence
from datetime import datetime

from fhirserver.kernel.changes import Change
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.client_subscription import owner_of, wishes
from subscriptions.core.filter_criteria import Condition, conditions
from subscriptions.core.managed_subscription import is_telephone, member_of, phone_of
from subscriptions.core.topic import Topic
from subscriptions.core.topic_catalog import Catalog
from subscriptions.response.ladders import Ladders
from subscriptions.store import contact_rows, cursor_rows, match_rows
from subscriptions.store.cursor_rows import NewCursor
from subscriptions.store.reply_code_rows import phone_lookup

# The engine's own Subscription is run inside the write transaction and has no deliveries.
_ENGINE = "rule-engine"


def filter_hash(tx: Transaction, topic: str, parameter: str, value: str) -> int:
    """Return the keyed hash by which one value of one filter is found; "" is "no filter"."""
    return tx.blind("subscription-filter", f"{topic}\x1f{parameter}\x1f{value}")


class SubscriptionIndex:
    """Keeps cursors and match rows in line with the Subscription resources."""

    def __init__(self, topics: Catalog, ladders: Ladders) -> None:
        """Look topics up in `topics`; tell `ladders` who can or cannot be reached any more."""
        self._topics = topics
        self._ladders = ladders

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Follow every Subscription among `changes`.

        Raises `Unprocessable` when somebody deletes a managed one whose owner is still to be told
        of alerts: that would silence an alarm without a trace.
        """
        for change in changes:
            if change.type != "Subscription":
                continue
            if change.resource is None:
                if await contact_rows.patients_of_subscription(tx, change.id):
                    raise Unprocessable(
                        "this Subscription is managed by the server", expression="Subscription"
                    )
                await cursor_rows.remove(tx, change.id)
                await match_rows.remove(tx, change.id)
            else:
                await self._follow(tx, change.id, change.resource)
            if _is_telephone(change):
                for patient in await contact_rows.patients_of_subscription(tx, change.id):
                    await self._ladders.roster_changed(tx, patient)

    async def _follow(self, tx: Transaction, id_: str, resource: Json) -> None:
        wanted = wishes(resource)
        topic = self._topics.find(wanted.topic)
        if topic is None or wanted.custom_channel == _ENGINE:
            return
        owner = owner_of(resource, tx.tenant)
        status, telephone = str(resource["status"]), is_telephone(resource)
        await cursor_rows.follow(
            tx,
            NewCursor(
                subscription=id_,
                topic=topic.url,
                channel=wanted.channel,
                status=status,
                member=member_of(resource) if telephone else None,
                owner=None if owner is None else (owner.kind, owner.reference),
                heartbeat=wanted.heartbeat,
                due_at=_due_at(status, tx.now),
            ),
        )
        if telephone:
            await cursor_rows.set_phone(
                tx,
                id_,
                phone_lookup(tx, phone_of(resource)),
                await contact_rows.language_of(tx, id_),
                proven=status == "active",
            )
        if status == "active" or (status in ("requested", "error") and not telephone):
            await self._file(tx, id_, topic, conditions(topic, wanted.filters), resource)
        else:
            await match_rows.remove(tx, id_)

    async def _file(
        self,
        tx: Transaction,
        id_: str,
        topic: Topic,
        must: tuple[Condition, ...],
        resource: Json,
    ) -> None:
        required = [
            [filter_hash(tx, topic.url, c.parameter, value) for value in c.values] for c in must
        ]
        anchor = _most_selective(topic, must)
        anchors = [filter_hash(tx, topic.url, "", "")] if anchor is None else required[anchor]
        owner = owner_of(resource, tx.tenant)
        await match_rows.replace(
            tx,
            id_,
            topic.url,
            anchors,
            required,
            None if owner is None else (owner.kind, owner.reference),
        )


def _due_at(status: str, now: datetime) -> datetime | None:
    return now if status in ("requested", "active") else None


def _is_telephone(change: Change) -> bool:
    resource = change.resource or change.previous
    return resource is not None and is_telephone(resource)


def _most_selective(topic: Topic, must: tuple[Condition, ...]) -> int | None:
    """Return the filter to be found by: a reference splits changes finer than a code does."""
    for place, condition in enumerate(must):
        if topic.filters[condition.parameter].kind == "reference":
            return place
    return 0 if must else None
