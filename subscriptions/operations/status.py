"""Subscription/$status: how Subscriptions stand, and how many events each has had.

Spec: https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-status.html
"""

from collections.abc import Sequence
from typing import Final, get_args
from urllib.parse import urlencode

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.read import read
from fhirserver.interactions.search import search
from fhirserver.kernel.canonical import BACKPORT_GUIDE
from fhirserver.kernel.errors import BadRequest, TooCostly
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core.client_subscription import wishes
from subscriptions.core.notification import status_parameters
from subscriptions.core.verification import Status
from subscriptions.response.counting import counted
from subscriptions.response.notifications import Notifications

MAX_ANSWERED: Final = 1000
"""Subscriptions that one answer tells of; with more, they are to be named."""

_STATUSES: Final = get_args(Status)


class SubscriptionStatus:
    """Answers with one status per Subscription that the caller may see."""

    def __init__(self, notifications: Notifications) -> None:
        """Tell in the words of `notifications`."""
        self._notifications = notifications

    async def answer(self, context: Context, call: Call) -> Answer:
        """Return a searchset of Parameters.

        Raises `NotFound` and `Gone` at the instance level; `BadRequest` for a status there is not,
        `TooCostly` for more Subscriptions than one answer tells of.
        """
        if call.id:
            stored = await read(context, "Subscription", call.id)
            found = [fhir_json.read_own(stored.content)]
        else:
            found = await _named(context, call)
        async with context.store.transaction(context.tenant) as tx:
            counts = await counted(tx, found)
            entries = [self._entry(tx, one, counts[one["id"]]) for one in found]
        return Answer(_searchset(context.base, call, entries))

    def _entry(self, tx: Transaction, subscription: Json, count: int) -> Json:
        wanted = wishes(subscription)
        topic = "" if wanted.plain else wanted.topic
        status = str(subscription["status"])
        header = self._notifications.header(subscription, topic, status, count)
        return {
            "fullUrl": f"urn:uuid:{tx.new_id(None)}",
            "resource": status_parameters(header, "query-status", wanted.content or "empty", ()),
            "search": {"mode": "match"},
        }


def status_operation(notifications: Notifications) -> Operation:
    """Return the operation."""
    return Operation(
        "status",
        TYPE | INSTANCE,
        frozenset({"Subscription"}),
        affects_state=False,
        run=SubscriptionStatus(notifications).answer,
        inputs=(Input("id", "id", most=None), Input("status", "code", most=None)),
        definition=BACKPORT_GUIDE + "OperationDefinition/backport-subscription-status",
    )


async def _named(context: Context, call: Call) -> list[Json]:
    """Return the Subscriptions that the parameters mean, as far as the caller may see them."""
    pairs = [("_count", str(MAX_ANSWERED))]
    ids, statuses = _listed(call, "id"), _listed(call, "status")
    for status in statuses:
        if status not in _STATUSES:
            raise BadRequest(f"The parameter status is one of {', '.join(_STATUSES)}.")
    if ids:
        pairs.append(("_id", ",".join(ids)))
    if statuses:
        pairs.append(("status", ",".join(statuses)))
    page = (await search(context, "Subscription", pairs)).page
    if page.cursor is not None:
        raise TooCostly(f"More than {MAX_ANSWERED} Subscriptions: name some by id or status.")
    return [fhir_json.read_own(one.content) for one in page.entries]


def _listed(call: Call, name: str) -> Sequence[str]:
    """Return every value of a parameter; several may stand in one, with commas between them."""
    values = (one for text in call.parameters.texts(name) for one in text.split(","))
    return tuple(dict.fromkeys(one for one in values if one))


def _searchset(base: str, call: Call, entries: Sequence[Json]) -> Json:
    path = "/".join(one for one in ("Subscription", call.id, "$status") if one)
    query = f"?{urlencode(call.pairs)}" if call.pairs else ""
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(entries),
        "link": [{"relation": "self", "url": f"{base}/{path}{query}"}],
    }
    if entries:
        bundle["entry"] = list(entries)
    return bundle
