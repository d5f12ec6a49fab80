"""The response part as the composite observer knows it: from alerts and answers to Tasks."""

from collections.abc import Callable, Sequence
from uuid import UUID

from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.readings import (
    Contact,
    DeviceEvent,
    DeviceFault,
    DeviceLimits,
    Reading,
    StreamedObservation,
)
from fhirserver.kernel.resource import Json
from subscriptions.core.alert import Alert, Cause
from subscriptions.core.channel_kind import ChannelKinds
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.subscription_check import Offer
from subscriptions.core.topic_catalog import Topics
from subscriptions.response import fridge_cards
from subscriptions.response.admission import admit
from subscriptions.response.channel_secrets import ChannelSecrets
from subscriptions.response.contacts import Contacts
from subscriptions.response.ladders import Ladders
from subscriptions.response.matching import Matching
from subscriptions.response.pages import Pages
from subscriptions.response.ports import Alerts, Visibility
from subscriptions.response.receipts import Receipts
from subscriptions.response.replies import Replies
from subscriptions.response.story import Story
from subscriptions.response.subscription_index import SubscriptionIndex


class Response:
    """Implements `AlertListener` and `ChangeObserver` for everything after an alert was raised.

    `token` returns a fresh random reply code; `topics` and `channels` are what clients may ask for;
    `alerts` are the alert rows of the rules part;
    `visibility` is asked before a client's Subscription is owed or sent anything.
    """

    def __init__(
        self,
        *,
        token: Callable[[], str],
        topics: Topics,
        channels: ChannelKinds,
        alerts: Alerts,
        visibility: Visibility,
        endpoints: EndpointPolicy,
        story: Story,
    ) -> None:
        """Wire the pieces together."""
        self.topics = topics
        self.visibility = visibility
        self.token = token
        self._channels = channels
        self._endpoints = endpoints
        self.pages = Pages(token)
        self.ladders = Ladders(alerts, self.pages, story)
        self.receipts = Receipts(self.ladders, story)
        self.replies = Replies(self.ladders, story)
        self._contacts = Contacts(self.ladders)
        self._secrets = ChannelSecrets()
        self._index = SubscriptionIndex(topics, self.ladders, self._secrets)
        self._matching = Matching(topics, visibility)

    async def admit(
        self, tx: Transaction, principal: Principal, resource: Json, previous: Json | None
    ) -> Json:
        """See `fhirserver.kernel.ports.ChangeObserver.admit`."""
        offer = Offer(self.topics.of(tx.tenant), self._channels, self._endpoints)
        return admit(tx, principal, resource, previous, offer, self._secrets)

    async def file_again(self, tx: Transaction) -> int:
        """See `SubscriptionIndex.file_again`."""
        return await self._index.file_again(tx)

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Follow care teams, Subscriptions and Tasks; append events for what topics speak of."""
        await self._contacts.changed(tx, changes)
        await fridge_cards.changed(tx, changes)
        await self._index.changed(tx, changes)
        await self._matching.changed(tx, changes)
        for change in changes:
            if change.type == "Task" and change.action == "update":
                await self.ladders.task_changed(tx, change)

    async def readings(self, tx: Transaction, readings: Sequence[Reading]) -> None:
        """Do nothing: readings concern the rules part, which speaks to us through alerts."""

    async def streamed(self, tx: Transaction, observations: Sequence[StreamedObservation]) -> None:
        """Append events for those who subscribe to what devices measure."""
        await self._matching.streamed(tx, observations)

    async def device_events(self, tx: Transaction, events: Sequence[DeviceEvent]) -> None:
        """Do nothing: machine alarms reach us as alerts."""

    async def contacts(self, tx: Transaction, contacts: Sequence[Contact]) -> None:
        """Do nothing: silences reach us as alerts."""

    async def limits(self, tx: Transaction, announced: Sequence[DeviceLimits]) -> None:
        """Do nothing: what is beyond a machine's limits reaches us as an alert."""

    async def faults(self, tx: Transaction, faults: Sequence[DeviceFault]) -> None:
        """Do nothing: what is wrong with devices reaches us as alerts."""

    async def alert_changed(
        self, tx: Transaction, alert: Alert, previous: Alert | None, cause: Cause
    ) -> None:
        """Ring for an alert; see `subscriptions.core.ports.AlertListener`."""
        await self.ladders.alert_changed(tx, alert, previous, cause)

    async def handle_reply(self, tx: Transaction, sender: str, body: str, message: str) -> str:
        """Act on a text message and return its answer; see `Replies.text`."""
        return await self.replies.text(tx, sender, body, message)

    async def timers_due(self, tx: Transaction, patient: str | None, incident: UUID) -> int:
        """Carry out the due timers of one ladder; see `Ladders.timers_due`."""
        return await self.ladders.timers_due(tx, patient, incident)
