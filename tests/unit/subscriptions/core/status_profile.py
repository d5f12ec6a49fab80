"""backport-subscription-status-r4 1.1.0 as a StructureDefinition, written from its published table.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription-status-r4.html
"""

from functools import cache
from typing import Any, Final

from fhirserver.definitions import Definitions, load
from fhirserver.validation import validate
from fhirserver.validation.profiles import validate_profiles

Json = dict[str, Any]

URL: Final = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
    "backport-subscription-status-r4"
)
# Slice name, parameter name, min, max, type of the value, min of the value, value set.
_PARAMETERS: Final = (
    ("subscription", "subscription", 1, "1", "Reference", 1, None),
    ("topic", "topic", 0, "1", "canonical", 0, None),
    ("status", "status", 1, "1", "code", 1, "http://hl7.org/fhir/ValueSet/subscription-status"),
    ("type", "type", 1, "1", "code", 1, None),
    (
        "eventsSinceSubscriptionStart",
        "events-since-subscription-start",
        0,
        "1",
        "string",
        0,
        None,
    ),
    ("notificationEvent", "notification-event", 0, "*", None, 0, None),
    ("error", "error", 0, "*", "CodeableConcept", 0, None),
)
_PARTS: Final = (
    ("eventNumber", "event-number", 1, "1", "string", 1, None),
    ("eventTimestamp", "timestamp", 0, "1", "instant", 0, None),
    ("eventFocus", "focus", 0, "1", "Reference", 0, None),
    ("eventAdditionalContext", "additional-context", 0, "*", "Reference", 0, None),
)
_SLICING: Final = {
    "discriminator": [{"type": "value", "path": "name"}],
    "ordered": False,
    "rules": "open",
}


def faults(parameters: Json) -> list[str]:
    """Return where a status is not one of R4 or of the profile, by our validator."""
    found = [*validate(parameters), *validate_profiles(parameters, _definitions(), [URL])]
    return [f"{one.expression}: {one.message}" for one in found if one.severity == "error"]


@cache
def _definitions() -> Definitions:
    return load().extended([status_profile()], frozenset())


def status_profile() -> Json:
    """Return the profile."""
    elements: list[Json] = [
        {"id": "Parameters", "path": "Parameters"},
        {
            "id": "Parameters.parameter",
            "path": "Parameters.parameter",
            "slicing": _SLICING,
            "min": 3,
        },
    ]
    for row in _PARAMETERS:
        elements += _slice("Parameters.parameter", "Parameters.parameter", row)
        if row[0] == "notificationEvent":
            base = "Parameters.parameter:notificationEvent.part"
            path = "Parameters.parameter.part"
            elements.append({"id": base, "path": path, "slicing": _SLICING, "min": 1})
            for part in _PARTS:
                elements += _slice(base, path, part)
    return {
        "resourceType": "StructureDefinition",
        "id": "backport-subscription-status-r4",
        "url": URL,
        "version": "1.1.0",
        "name": "BackportSubscriptionStatusR4",
        "status": "active",
        "fhirVersion": "4.0.1",
        "kind": "resource",
        "abstract": False,
        "type": "Parameters",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Parameters",
        "derivation": "constraint",
        "differential": {"element": elements},
    }


def _slice(id_: str, path: str, row: tuple[Any, ...]) -> list[Json]:
    slice_name, name, least, most, type_, value_least, value_set = row
    own = f"{id_}:{slice_name}"
    found: list[Json] = [
        {"id": own, "path": path, "sliceName": slice_name, "min": least, "max": most},
        {"id": f"{own}.name", "path": f"{path}.name", "fixedString": name},
    ]
    if type_ is not None:
        kind: Json = {"code": type_}
        if name == "subscription":
            kind["targetProfile"] = ["http://hl7.org/fhir/StructureDefinition/Subscription"]
        value: Json = {
            "id": f"{own}.value[x]",
            "path": f"{path}.value[x]",
            "min": value_least,
            "max": "1",
            "type": [kind],
        }
        if value_set is not None:
            value["binding"] = {"strength": "required", "valueSet": value_set}
        found.append(value)
    return found
