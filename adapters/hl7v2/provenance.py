"""Where resources came from: the Provenance of everything one message wrote, which names that message. Pure.

https://hl7.org/fhir/R4/provenance.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fhirserver.kernel import canonical
from fhirserver.kernel.resource import Json

MESSAGE: Final = canonical.BASE + "NamingSystem/hl7v2-message"
SENDER: Final = canonical.BASE + "NamingSystem/hl7v2-sender"
_EVENTS: Final = "http://terminology.hl7.org/CodeSystem/v2-0003"
_PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


@dataclass(frozen=True, slots=True)
class Source:
    """The message: `message` is the UUID it is kept under, `sender` the name of who sent it, `kind` ``ADT^A01``,
    `control_id` its MSH-10, `sent` its MSH-7 (UTC).
    """

    message: str
    sender: str
    kind: str
    control_id: str
    sent: datetime | None = None


def provenance(
    source: Source, targets: Sequence[str], occurred: datetime | None, recorded: datetime
) -> Json:
    """Return the Provenance of `targets` (``Type/id``, not none), which `source` made."""
    event = source.kind.partition("^")[2]
    when = occurred or source.sent
    return {
        "resourceType": "Provenance",
        "target": [{"reference": one} for one in targets],
        **({} if when is None else {"occurredDateTime": when.isoformat()}),
        "recorded": recorded.isoformat(timespec="milliseconds"),
        **({"activity": {"coding": [{"system": _EVENTS, "code": event}]}} if event else {}),
        "agent": [
            {
                "type": {"coding": [{"system": _PARTICIPANT, "code": "author"}]},
                "who": {
                    "identifier": {"system": SENDER, "value": source.sender},
                    "display": source.sender,
                },
            }
        ],
        "entity": [
            {
                "role": "source",
                "what": {
                    "identifier": {"system": MESSAGE, "value": f"urn:uuid:{source.message}"},
                    "display": f"{source.kind} {source.control_id}",
                },
            }
        ],
    }
