"""What makes a topic fire: a resource to write about a patient, and the filter that asks for that patient. Pure.

Topics are known by the last part of their canonical; for any other, give a resource of your own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

PLACE: Final = "{{patient}}"
_CODE: Final = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
_WHEN: Final = "2026-03-04T05:06:07Z"
_SUBJECT: Final = {"reference": f"Patient/{PLACE}"}
_OBSERVATION: Final[Json] = {
    "resourceType": "Observation",
    "status": "final",
    "code": _CODE,
    "subject": _SUBJECT,
    "effectiveDateTime": _WHEN,
    "valueQuantity": {
        "value": 71,
        "unit": "/min",
        "system": "http://unitsofmeasure.org",
        "code": "/min",
    },
}
_ENCOUNTER: Final[Json] = {
    "resourceType": "Encounter",
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "subject": _SUBJECT,
    "period": {"start": _WHEN},
}
_FLAG: Final[Json] = {
    "resourceType": "Flag",
    "status": "active",
    "code": {"text": "conformance"},
    "subject": _SUBJECT,
}
# In the order in which a tester prefers them.
KNOWN: Final[Mapping[str, Json]] = {
    "patient-observation": _OBSERVATION,
    "resource-change": _OBSERVATION,
    "device-alert": _FLAG,
    "admission": _ENCOUNTER,
    "encounter-start": _ENCOUNTER,
}


@dataclass(frozen=True, slots=True)
class Stimulus:
    """A resource to write, and filters that ask for its patient and for somebody else."""

    patient: str
    template: Json

    @property
    def type(self) -> str:
        """The type of the focus."""
        return str(self.template["resourceType"])

    def resource(self) -> Json:
        """Return a new resource, without an id."""
        filled: Json = json.loads(json.dumps(self.template).replace(PLACE, self.patient))
        return filled

    @property
    def filter(self) -> str:
        """The filter that asks for this patient."""
        return f"{self.type}?patient=Patient/{self.patient}"

    @property
    def filter_of_another(self) -> str:
        """A filter that this patient does not pass."""
        return f"{self.type}?patient=Patient/{self.patient}-nobody"


def template_for(topic: str) -> Json | None:
    """Return a resource whose creation fires `topic`, None when the topic is not known."""
    return KNOWN.get(topic.partition("|")[0].rstrip("/").rsplit("/", 1)[-1])


def preferred(topics: Sequence[str]) -> str | None:
    """Return the topic of `topics` that is best to check with, None when none is known."""
    for name in KNOWN:
        for topic in topics:
            if topic.partition("|")[0].rstrip("/").endswith("/" + name):
                return topic
    return None
