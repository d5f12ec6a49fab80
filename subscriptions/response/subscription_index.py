"""Follows Subscription resources: the cursor each is delivered by, and how changes find it."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from fhirserver.auth.kept_scopes import grant_of, text_of
from fhirserver.kernel.changes import Change
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.client_subscription import Wishes, owner_of, wishes
from subscriptions.core.filing import filing
from subscriptions.core.filter_criteria import BadFilter, Demand, demands, search_demand
from subscriptions.core.hl7v2 import keep_alive
from subscriptions.core.managed_subscription import (
    is_rule_engine,
    is_telephone,
    member_of,
    phone_of,
)
from subscriptions.core.topic import Topic
from subscriptions.core.topic_catalog import Topics
from subscriptions.response.channel_secrets import ChannelSecrets
from subscriptions.response.ladders import Ladders
from subscriptions.store import contact_rows, cursor_rows, match_rows
from subscriptions.store.cursor_rows import NewCursor
from subscriptions.store.match_rows import NewMatch, Subscriber
from subscriptions.store.reply_code_rows import phone_lookup

log = structlog.get_logger(__name__)


class SubscriptionIndex:
    """Keeps cursors and match rows in line with the Subscription resources."""

    def __init__(self, topics: Topics, ladders: Ladders, secrets: ChannelSecrets) -> None:
        """Look topics up in `topics`; tell `ladders` who can or cannot be reached any more.

        `secrets` are those that came with the Subscriptions being written.
        """
        self._topics = topics
        self._ladders = ladders
        self._secrets = secrets

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Follow every Subscription among `changes`.

        Raises `Unprocessable` when somebody deletes a managed one whose owner is still to be told
        of alerts: that would silence an alarm without a trace.
        """
        for change in changes:
            if change.type != "Subscription":
                continue
            if change.resource is None:
                if await contact_rows.is_needed(tx, change.id):
                    raise Unprocessable(
                        "this Subscription is managed by the server", expression="Subscription"
                    )
                await cursor_rows.remove(tx, change.id)
                match_rows.remove(tx, change.id)
            else:
                await self._follow(tx, change.id, change.resource)
            if _is_telephone(change):
                for patient in await contact_rows.patients_of_subscription(tx, change.id):
                    await self._ladders.roster_changed(tx, patient)

    async def file_again(self, tx: Transaction) -> int:
        """File those that should be found by changes and are not; return how many there were.

        To be run after an upgrade, before anything is written: until then their events are lost.
        """
        count = 0
        for id_ in await match_rows.unfiled(tx):
            resource = await tx.get("Subscription", id_)
            topic = None if resource is None else self._topic(tx, wishes(resource))
            if resource is not None and topic is not None:
                await self._file(tx, id_, topic, resource)
                count += 1
        return count

    async def _follow(self, tx: Transaction, id_: str, resource: Json) -> None:
        wanted = wishes(resource)
        topic = self._topic(tx, wanted)
        if topic is None or is_rule_engine(resource):
            return
        owner = owner_of(resource, tx.tenant)
        status, telephone = str(resource["status"]), is_telephone(resource)
        await cursor_rows.follow(
            tx,
            NewCursor(
                subscription=id_,
                topic=topic.url,
                channel=wanted.way,
                status=status,
                member=member_of(resource) if telephone else None,
                owner=None if owner is None else (owner.kind, owner.reference),
                heartbeat=wanted.heartbeat or keep_alive.period_of(wanted),
                ends=_moment(wanted.end),
            ),
        )
        await self._secrets.settle(tx, id_, resource)
        if telephone:
            await cursor_rows.set_phone(
                tx,
                id_,
                phone_lookup(tx, phone_of(resource)),
                await contact_rows.language_of(tx, id_),
                proven=status == "active",
            )
        if status == "active" or (status in ("requested", "error") and not telephone):
            await self._file(tx, id_, topic, resource)
        else:
            match_rows.remove(tx, id_)

    def _topic(self, tx: Transaction, wanted: Wishes) -> Topic | None:
        return self._topics.of(tx.tenant).find(wanted.topic)

    async def _file(self, tx: Transaction, id_: str, topic: Topic, resource: Json) -> None:
        wanted = wishes(resource)
        try:
            asked = _demands(topic, wanted)
        except BadFilter as problem:
            # Admission refuses these; a topic that was replaced since may no longer know a filter.
            log.warning("a Subscription matches nothing", subscription=id_, reason=str(problem))
            match_rows.remove(tx, id_)
            return
        filings = [filing(topic, demand) for demand in asked]
        owner = owner_of(resource, tx.tenant)
        held = None if owner is None else text_of(grant_of(resource, owner))
        await match_rows.replace(
            tx,
            Subscriber(
                subscription=id_,
                topic=wanted.topic,
                plain=wanted.plain,
                ends=_moment(wanted.end),
                owner=None
                if owner is None
                else (owner.kind, f"{owner.reference}\n{held}" if held else owner.reference),
            ),
            [NewMatch(one.keys, one.required, one.residual) for one in filings],
            [(topic.url, one.type, one.anchor) for one in filings if one.anchor is not None],
        )


def _demands(topic: Topic, wanted: Wishes) -> Sequence[Demand]:
    if wanted.plain:
        return (search_demand(topic, wanted.filters[0]),)
    return demands(topic, wanted.filters)


def _moment(end: str | None) -> datetime | None:
    return None if end is None else datetime.fromisoformat(end)


def _is_telephone(change: Change) -> bool:
    resource = change.resource or change.previous
    return resource is not None and is_telephone(resource)
