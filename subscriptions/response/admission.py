"""What clients may write of the resources this part lives on: Subscriptions and incident Tasks."""

from fhirserver.kernel.errors import Forbidden, Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from subscriptions.core import care_team
from subscriptions.core.client_subscription import owner_of, written_by
from subscriptions.core.managed_subscription import is_managed
from subscriptions.core.subscription_check import Offer, check, status_to_store
from subscriptions.core.task_check import LAYPEOPLE, task_to_store
from subscriptions.response.channel_secrets import ChannelSecrets


def admit(
    tx: Transaction,
    principal: Principal,
    resource: Json,
    previous: Json | None,
    offer: Offer,
    secrets: ChannelSecrets,
) -> Json:
    """Return the resource as it shall be stored; what a Subscription is signed with goes to `secrets`.

    Raises `Unprocessable` for a Subscription this server cannot serve or manages itself and for a
    CareTeam whose ladder cannot be read, with every problem it has, and `Forbidden` for an answer
    in somebody else's name and for a patient or care partner who changes somebody else's Subscription.
    """
    if resource.get("resourceType") == "Subscription":
        return _subscription(tx, principal, resource, previous, offer, secrets)
    if resource.get("resourceType") == "Task":
        return task_to_store(principal, resource, previous, tx.now)
    if resource.get("resourceType") == "CareTeam":
        problems = care_team.check(resource)
        if problems:
            raise Unprocessable("nobody could be called by this team", problems=problems)
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
    if previous is not None and principal.kind in LAYPEOPLE:
        owner = owner_of(previous, principal.tenant)
        if owner != principal:
            raise Forbidden("This Subscription is somebody else's: make one of your own.")
    problems = check(resource, previous, offer, tx.now)
    if problems:
        raise Unprocessable("the Subscription cannot be served", problems=problems)
    status = status_to_store(resource, offer)
    bare = secrets.take(tx, resource, previous)
    stored = written_by({**bare, "status": status}, previous, principal)
    if status != "error":
        stored.pop("error", None)
    return stored
