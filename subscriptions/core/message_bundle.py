"""A notification as a FHIR message.

https://hl7.org/fhir/R4/messaging.html and the Backport guide's messaging channel: a Bundle of type
``message`` whose first entry is the MessageHeader; what the message is about, its focus, is the
whole notification Bundle.
"""

from datetime import datetime
from uuid import UUID, uuid5

from fhirserver.kernel.canonical import BASE
from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json

MESSAGE_EVENTS = BASE + "CodeSystem/message-event"


def message_bundle(
    notification: Json, *, message_id: UUID, source: str, destination: str, at: datetime
) -> Json:
    """Return the message that carries `notification`.

    `source` is the FHIR base of this server, `destination` that of the receiver. A repetition of a
    message has the same `message_id`, by which receivers drop it (R4 messaging, "reliable").
    """
    bundle_id = uuid5(message_id, "notification")
    header: Json = {
        "resourceType": "MessageHeader",
        "id": str(message_id),
        "eventCoding": {"system": MESSAGE_EVENTS, "code": "subscription-notification"},
        "destination": [{"endpoint": destination}],
        "source": {"name": "fhirserver", "endpoint": source},
        "focus": [{"reference": f"urn:uuid:{bundle_id}"}],
    }
    return {
        "resourceType": "Bundle",
        "id": str(uuid5(message_id, "message")),
        "type": "message",
        "timestamp": instant(at),
        "entry": [
            {"fullUrl": f"urn:uuid:{message_id}", "resource": header},
            {"fullUrl": f"urn:uuid:{bundle_id}", "resource": notification},
        ],
    }
