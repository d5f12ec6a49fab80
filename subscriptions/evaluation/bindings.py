"""Who uses which device: the watch over it, and the Subscription that shows the rule engine.

Every patient with a device in use has a server-made Subscription on the topic ``reading`` whose
subscriber is the rule engine itself; it runs in the write transaction, so nothing is delivered for
it.
"""

from hashlib import blake2b
from typing import Final

from fhirserver.kernel import canonical
from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.store import evaluation_rows, silence_rows

_PREFIX: Final = "rule-engine-"


async def follow(tx: Transaction, change: Change) -> None:
    """Bring watch, evaluation row and managed Subscription in step with a DeviceUseStatement."""
    references = [
        version.get("device", {}).get("reference", "")
        for version in (change.resource, change.previous)
        if version is not None
    ]
    await silence_rows.bind(
        tx, [one.removeprefix("Device/") for one in references if one.startswith("Device/")]
    )
    statement, patient = change.resource, change.patient
    if statement is None or patient is None or statement.get("status") != "active":
        return
    evaluation_rows.create(tx, {patient: tx.bucket(patient, "Patient", patient)})
    identity = subscription_id(patient)
    stored = await tx.get("Subscription", identity)
    if stored is None or stored.get("status") != "active":
        await tx.put(rule_engine_subscription(patient), id_=identity)


def subscription_id(patient: str) -> str:
    """Return the id of the patient's rule-engine Subscription, always the same one."""
    plain = _PREFIX + patient
    return (
        plain
        if len(plain) <= 64
        else _PREFIX + blake2b(patient.encode(), digest_size=16).hexdigest()
    )


def rule_engine_subscription(patient: str) -> Json:
    """Return the managed Subscription of `patient` (Subscriptions R5 Backport shape on R4)."""
    return {
        "resourceType": "Subscription",
        "id": subscription_id(patient),
        "meta": {"profile": [canonical.BACKPORT + "backport-subscription"]},
        "status": "active",
        "reason": "Readings of this patient are judged by the monitoring rules in force",
        "criteria": canonical.TOPIC_READING,
        "_criteria": {
            "extension": [
                {
                    "url": canonical.BACKPORT + "backport-filter-criteria",
                    "valueString": f"Observation?patient=Patient/{patient}",
                }
            ]
        },
        "channel": {
            "type": "message",
            "_type": {
                "extension": [
                    {
                        "url": canonical.BACKPORT + "backport-channel-type",
                        "valueCoding": {"system": canonical.CHANNEL_TYPES, "code": "rule-engine"},
                    }
                ]
            },
            "payload": "application/fhir+json",
            "_payload": {
                "extension": [
                    {
                        "url": canonical.BACKPORT + "backport-payload-content",
                        "valueCode": "full-resource",
                    }
                ]
            },
        },
    }
