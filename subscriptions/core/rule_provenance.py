"""The Provenance of a change of rules: which version began to hold when, and on whose word.

Written in the transaction of the change itself, so that no rule is ever in force without one.
https://hl7.org/fhir/R4/provenance.html
"""

from datetime import datetime
from typing import Final, Literal

from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json
from subscriptions.core.flag import SERVER_DEVICE

Activity = Literal["CREATE", "UPDATE", "DELETE"]

_OPERATION: Final = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def provenance_of(
    reference: str, version: int, activity: Activity, author: str | None, now: datetime
) -> Json:
    """Return the Provenance of a version of an order or default set that changed what holds.

    `author` is a reference to whoever the rules name as theirs, None when they name nobody.
    """
    agents = [_agent("assembler", f"Device/{SERVER_DEVICE}")]
    if author is not None:
        agents.insert(0, _agent("author", author))
    return {
        "resourceType": "Provenance",
        "target": [{"reference": f"{reference}/_history/{version}"}],
        "recorded": instant(now),
        "activity": {"coding": [{"system": _OPERATION, "code": activity}]},
        "reason": [{"text": "monitoring rules in force have changed"}],
        "agent": agents,
    }


def _agent(role: str, who: str) -> Json:
    return {
        "type": {"coding": [{"system": _PARTICIPANT, "code": role}]},
        "who": {"reference": who},
    }
