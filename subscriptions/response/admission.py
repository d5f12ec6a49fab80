"""What clients may write of the resources this part lives on: Subscriptions and incident Tasks."""

from fhirserver.kernel.errors import Forbidden, Problem, Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from subscriptions.core.client_subscription import with_owner
from subscriptions.core.incident_task import is_ours
from subscriptions.core.managed_subscription import is_managed
from subscriptions.core.notification import instant
from subscriptions.core.subscription_check import Offer, check, status_to_store
from subscriptions.response.channel_secrets import ChannelSecrets

_STAFF = ("admin", "practitioner", "system")
_OVER = ("completed", "cancelled", "failed")


def admit(
    tx: Transaction,
    principal: Principal,
    resource: Json,
    previous: Json | None,
    offer: Offer,
    secrets: ChannelSecrets,
) -> Json:
    """Return the resource as it shall be stored; what a Subscription is signed with goes to `secrets`.

    Raises `Unprocessable` for a Subscription this server cannot serve or manages itself, with every
    problem it has, and `Forbidden` for an answer in somebody else's name.
    """
    if resource.get("resourceType") == "Subscription":
        return _subscription(tx, principal, resource, previous, offer, secrets)
    if resource.get("resourceType") == "Task":
        return _task(tx, principal, resource, previous)
    return resource


def _subscription(
    tx: Transaction,
    principal: Principal,
    resource: Json,
    previous: Json | None,
    offer: Offer,
    secrets: ChannelSecrets,
) -> Json:
    if previous is not None and is_managed(previous):
        message = "this Subscription is managed by the server"
        raise Unprocessable(message, expression="Subscription")
    problems = check(resource, previous, offer, tx.now)
    if problems:
        raise Unprocessable("the Subscription cannot be served", problems=problems)
    status = status_to_store(resource, offer)
    bare = secrets.take(tx, resource)
    stored = with_owner({**bare, "status": status}, principal)
    if status != "error":
        stored.pop("error", None)
    return stored


def _task(tx: Transaction, principal: Principal, resource: Json, previous: Json | None) -> Json:
    if previous is None:
        if is_ours(resource, "incident") or is_ours(resource, "page"):
            raise Unprocessable("Tasks of an incident are made by the server", expression="Task")
        return resource
    changed = resource.get("status") != previous.get("status")
    if is_ours(previous, "incident"):
        _kept(resource, previous)
        return _closing(tx, principal, resource) if changed else resource
    if is_ours(previous, "page"):
        _kept(resource, previous)
        owner = previous.get("owner", {}).get("reference")
        if changed and principal.kind not in _STAFF and principal.reference != owner:
            raise Forbidden("only the person this Task was given to may answer it")
    return resource


def _kept(resource: Json, previous: Json) -> None:
    """Refuse a change of what an incident's Task is about."""
    for element in ("code", "groupIdentifier", "for", "focus", "owner", "partOf", "input"):
        if resource.get(element) != previous.get(element):
            problem = Problem(
                "error", "business-rule", f"Task.{element}", "set by the server, not to be changed"
            )
            raise Unprocessable("set by the server", problems=[problem])


def _closing(tx: Transaction, principal: Principal, resource: Json) -> Json:
    if principal.kind not in _STAFF:
        raise Forbidden("an incident is closed by a professional, with a reason")
    if resource.get("status") in _OVER and not resource.get("statusReason"):
        problem = Problem("error", "required", "Task.statusReason", "closing needs a reason")
        raise Unprocessable("closing needs a reason", problems=[problem])
    note: Json = {"time": instant(tx.now), "text": f"status {resource.get('status')}"}
    if principal.reference:
        note["authorReference"] = {"reference": principal.reference}
    return {**resource, "note": [*resource.get("note", []), note]}
