"""The Subscription the server makes for each person who is told of alerts by telephone.

R4 core channel ``sms`` with a ``tel:`` endpoint (RFC 3966) on topic alert-task, filtered by the
Task's owner. Its content level is ``empty``: a text message carries nothing of the record.
"""

from hashlib import blake2b

from fhirserver.kernel.canonical import BACKPORT, TOPIC_ALERT_TASK
from fhirserver.kernel.resource import Json
from subscriptions.core.verification import Status

_PREFIX = "sms-"


def subscription_id(member: str) -> str:
    """Return the id of the managed Subscription of ``RelatedPerson/bob``."""
    return _PREFIX + blake2b(member.encode(), digest_size=16).hexdigest()


def managed(member: str, phone: str, status: Status) -> Json:
    """Return the Subscription of `member` at `phone` (E.164)."""
    return {
        "resourceType": "Subscription",
        "status": status,
        "reason": "Alert messages to a member of a care team",
        "criteria": TOPIC_ALERT_TASK,
        "_criteria": {
            "extension": [
                {
                    "url": BACKPORT + "backport-filter-criteria",
                    "valueString": f"Task?owner={member}",
                }
            ]
        },
        "channel": {
            "type": "sms",
            "endpoint": f"tel:{phone}",
            "payload": "text/plain",
            "_payload": {
                "extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": "empty"}]
            },
        },
    }


def is_managed(subscription: Json) -> bool:
    """Return whether the server alone may write `subscription`."""
    return bool(subscription.get("channel", {}).get("type") == "sms") or is_rule_engine(
        subscription
    )


def is_telephone(subscription: Json) -> bool:
    """Return whether `subscription` sends to a telephone."""
    return bool(subscription.get("channel", {}).get("type") == "sms")


def phone_of(subscription: Json) -> str:
    """Return the number (E.164) of a managed Subscription."""
    return str(subscription["channel"]["endpoint"]).removeprefix("tel:")


def member_of(subscription: Json) -> str:
    """Return whose managed Subscription it is."""
    (criterion,) = subscription["_criteria"]["extension"]
    return str(criterion["valueString"]).removeprefix("Task?owner=")


def is_rule_engine(subscription: Json) -> bool:
    """Return whether `subscription` is run by the rule engine, inside write transactions."""
    extension = subscription.get("channel", {}).get("_type", {}).get("extension", [])
    return any(e.get("valueCoding", {}).get("code") == "rule-engine" for e in extension)


def judged_patient(subscription: Json) -> str:
    """Return the id of the patient whose readings a rule engine's Subscription is about."""
    (criterion,) = subscription["_criteria"]["extension"]
    return str(criterion["valueString"]).removeprefix("Observation?patient=Patient/")
