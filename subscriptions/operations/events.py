"""Subscription/[id]/$events: the events of a Subscription once more, by number.

Works in every status for as long as events are kept, so a subscriber that was away can catch up by
itself. What may be told is decided by the rights of who asks, now.

Spec: https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-events.html
"""

from typing import Final, cast, get_args
from urllib.parse import urlencode
from uuid import UUID

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.read import read
from fhirserver.kernel.canonical import BACKPORT_GUIDE
from fhirserver.kernel.errors import BadRequest, Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core.client_subscription import wishes
from subscriptions.core.event_range import event_range
from subscriptions.core.managed_subscription import is_rule_engine
from subscriptions.core.notification import Content
from subscriptions.core.topic import Topic
from subscriptions.core.topic_catalog import Topics
from subscriptions.response.counting import counted
from subscriptions.response.notifications import Notifications, Told
from subscriptions.store import event_rows

MAX_EVENTS: Final = 500
"""Events in one answer; its link ``next`` asks for those after them."""

_CONTENTS: Final = get_args(Content)


class SubscriptionEvents:
    """Answers with the events of one Subscription."""

    def __init__(self, notifications: Notifications, topics: Topics) -> None:
        """Look the topic of a Subscription up in `topics`."""
        self._notifications = notifications
        self._topics = topics

    async def answer(self, context: Context, call: Call) -> Answer:
        """Return a notification Bundle of type query-event.

        Raises `NotFound`; `Gone` for a deleted Subscription and for numbers that are no longer
        kept, named; `BadRequest` for what is no number or no content level; `Unprocessable` for a
        Subscription whose events are not kept at all.
        """
        stored = await read(context, "Subscription", call.id)
        subscription = fhir_json.read_own(stored.content)
        if is_rule_engine(subscription):
            message = "What the rule engine was told is counted and not kept; see $status."
            raise Unprocessable(message)
        asked = event_range(
            call.parameters.text("eventsSinceNumber"), call.parameters.text("eventsUntilNumber")
        )
        content = _content(call.parameters.text("content"))
        async with context.store.transaction(context.tenant) as tx:
            last = (await counted(tx, [subscription]))[call.id]
            first, through = asked.bounds(await event_rows.oldest(tx, call.id), last)
            rows = await event_rows.numbered(tx, call.id, first - 1, through, MAX_EVENTS)
            if rows:
                begin = asked.unbroken([row.number for row in rows], last)
                rows = [row for row in rows if row.number >= begin]
            told = Told(
                subscription=subscription,
                topic=self._topic(tx, subscription),
                kind="query-event",
                rows=rows,
                status=str(subscription["status"]),
                through=last,
                at=tx.now,
                entry_id=UUID(tx.new_id(None)),
                content=content,
                reader=context.access,
            )
            bundle = await self._notifications.bundle(tx, told)
        following = rows[-1].number + 1 if rows and rows[-1].number < through else None
        return Answer(_linked(bundle, context.base, call, following))

    def _topic(self, tx: Transaction, subscription: Json) -> Topic | None:
        wanted = wishes(subscription)
        return None if wanted.plain else self._topics.of(tx.tenant).find(wanted.topic)


def events_operation(notifications: Notifications, topics: Topics) -> Operation:
    """Return the operation."""
    return Operation(
        "events",
        INSTANCE,
        frozenset({"Subscription"}),
        affects_state=False,
        run=SubscriptionEvents(notifications, topics).answer,
        inputs=(
            Input("eventsSinceNumber"),
            Input("eventsUntilNumber"),
            Input("content", "code"),
        ),
        definition=BACKPORT_GUIDE + "OperationDefinition/backport-subscription-events",
    )


def _content(text: str | None) -> Content | None:
    if text is not None and text not in _CONTENTS:
        raise BadRequest(f"The parameter content is one of {', '.join(_CONTENTS)}.")
    return cast("Content | None", text)


def _linked(bundle: Json, base: str, call: Call, following: int | None) -> Json:
    """Return `bundle` with the URL it can be had by, and that of the events after it."""
    here = f"{base}/Subscription/{call.id}/$events"
    pairs = [
        (name, text)
        for name in ("eventsSinceNumber", "eventsUntilNumber", "content")
        if (text := call.parameters.text(name)) is not None
    ]
    links = [{"relation": "self", "url": _url(here, pairs)}]
    if following is not None:
        rest = [pair for pair in pairs if pair[0] != "eventsSinceNumber"]
        url = _url(here, [("eventsSinceNumber", str(following)), *rest])
        links.append({"relation": "next", "url": url})
    return {"resourceType": "Bundle", "type": bundle["type"], "link": links, **bundle}


def _url(here: str, pairs: list[tuple[str, str]]) -> str:
    return f"{here}?{urlencode(pairs)}" if pairs else here
