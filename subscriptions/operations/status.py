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
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core.client_subscription import wishes
from subscriptions.core.notification import status_parameters
from subscriptions.core.verification import Status
from subscriptions.response.counting import counted
from subscriptions.response.notifications import Notifications

MAX_ANSWERED: Final = 1000
"""Subscriptions that one answer tells of; the others are behind its ``next`` link."""

_STATUSES: Final = get_args(Status)


class SubscriptionStatus:
    """Answers with one status per Subscription that the caller may see."""

    def __init__(self, notifications: Notifications) -> None:
        """Tell in the words of `notifications`."""
        self._notifications = notifications

    async def answer(self, context: Context, call: Call) -> Answer:
        """Return a searchset of Parameters, in parts where there are many.

        Raises `NotFound` and `Gone` at the instance level; `BadRequest` for a status there is not,
        and for a cursor that no ``next`` link has.
        """
        following: str | None = None
        if call.id:
            stored = await read(context, "Subscription", call.id)
            found = [fhir_json.read_own(stored.content)]
        else:
            found, following = await _named(context, call)
        async with context.store.transaction(context.tenant) as tx:
            counts = await counted(tx, found)
            entries = [self._entry(tx, one, counts[one["id"]]) for one in found]
        return Answer(_searchset(context.base, call, entries, following))

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
        inputs=(
            Input("id", "id", most=None),
            Input("status", "code", most=None),
            Input("_count", "positiveInt"),
            Input("_cursor"),
        ),
        definition=BACKPORT_GUIDE + "OperationDefinition/backport-subscription-status",
    )


async def _named(context: Context, call: Call) -> tuple[list[Json], str | None]:
    """Return Subscriptions that the parameters mean, as far as the caller may see them, and where others follow."""
    count = min(call.parameters.number("_count") or MAX_ANSWERED, MAX_ANSWERED)
    pairs = [("_count", str(count)), *_wanted(call)]
    for status in _listed(call, "status"):
        if status not in _STATUSES:
            raise BadRequest(f"The parameter status is one of {', '.join(_STATUSES)}.")
    cursor = call.parameters.text("_cursor")
    if cursor is not None:
        pairs.append(("_cursor", cursor))
    page = (await search(context, "Subscription", pairs)).page
    return [fhir_json.read_own(one.content) for one in page.entries], page.cursor


def _wanted(call: Call) -> list[tuple[str, str]]:
    """Return what a search for the Subscriptions of the call asks for."""
    asked = {"_id": _listed(call, "id"), "status": _listed(call, "status")}
    return [(name, ",".join(values)) for name, values in asked.items() if values]


def _listed(call: Call, name: str) -> Sequence[str]:
    """Return every value of a parameter; several may stand in one, with commas between them."""
    values = (one for text in call.parameters.texts(name) for one in text.split(","))
    return tuple(dict.fromkeys(one for one in values if one))


def _searchset(base: str, call: Call, entries: Sequence[Json], following: str | None) -> Json:
    here = base + "/" + "/".join(one for one in ("Subscription", call.id, "$status") if one)
    query = f"?{urlencode(call.pairs)}" if call.pairs else ""
    links = [{"relation": "self", "url": f"{here}{query}"}]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset"}
    if following is not None:
        links.append({"relation": "next", "url": f"{here}?{urlencode(_rest(call, following))}"})
    elif call.parameters.text("_cursor") is None:
        # Of a part nobody has counted the whole.
        bundle["total"] = len(entries)
    bundle["link"] = links
    if entries:
        bundle["entry"] = list(entries)
    return bundle


def _rest(call: Call, following: str) -> list[tuple[str, str]]:
    """Return the parameters of the part that begins at `following`."""
    pairs = [(name, one) for name in ("id", "status") for one in _listed(call, name)]
    count = call.parameters.number("_count")
    if count is not None:
        pairs.append(("_count", str(count)))
    return [*pairs, ("_cursor", following)]
