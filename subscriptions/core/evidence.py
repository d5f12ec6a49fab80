"""An incident's evidence: everything about it in one document that can be signed and kept.

A FHIR document (https://hl7.org/fhir/R4/documents.html): a Composition, then everything it names, each
in the version that counted. What is signed is the Bundle without its signature, in
the form of `fhirserver.wire.canonical_json`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from fhirserver.kernel.canonical import BASE
from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json
from subscriptions.core.flag import SERVER_DEVICE

SIGNATURE_FORMAT: Final = "application/jose"
_VERIFIED: Final = {
    "system": "urn:iso-astm:E1762-95:2013",
    "code": "1.2.840.10065.1.12.1.5",
    "display": "Verification Signature",
}
_KIND: Final = {
    "coding": [
        {"system": "http://loinc.org", "code": "34133-9", "display": "Summary of episode note"}
    ],
    "text": "Evidence of an alarm incident",
}
_SECTIONS: Final = (
    ("What was wrong", ("Flag",)),
    ("What was measured", ("Observation",)),
    ("Which rules held", ("ServiceRequest", "PlanDefinition", "DeviceMetric")),
    ("Who was told, and what they answered", ("Task", "Communication")),
    ("Who belongs to it", ("Patient", "CareTeam", "Device", "Procedure", "Provenance")),
    ("Why", ("Parameters",)),
)


def document(
    incident: str,
    subject: str,
    content: Sequence[Json],
    *,
    base: str,
    title: str,
    identity: str,
    now: datetime,
) -> Json:
    """Return the unsigned document about `incident` (a UUID) of `content`, in its order.

    `subject` is a reference, `base` the server's public FHIR base, `identity` a fresh UUID.
    Resources without an id (a Parameters) get a URN made of their place.
    """
    entries: list[Json] = []
    references: dict[str, list[Json]] = {}
    for place, resource in enumerate(content):
        kind = str(resource["resourceType"])
        if "id" in resource:
            reference = f"{kind}/{resource['id']}"
            full = f"{base}/{reference}"
        else:
            reference = full = f"urn:uuid:{uuid5(UUID(identity), str(place))}"
        entries.append({"fullUrl": full, "resource": resource})
        references.setdefault(kind, []).append({"reference": reference})
    composition: Json = {
        "resourceType": "Composition",
        "id": identity,
        "status": "final",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{incident}"},
        "type": _KIND,
        "subject": {"reference": subject},
        "date": instant(now),
        "author": [{"reference": f"Device/{SERVER_DEVICE}"}],
        "title": title,
        "section": [
            {"title": heading, "entry": found}
            for heading, kinds in _SECTIONS
            if (found := [one for kind in kinds for one in references.get(kind, ())])
        ],
    }
    return {
        "resourceType": "Bundle",
        "identifier": {"system": f"{BASE}NamingSystem/evidence", "value": f"urn:uuid:{identity}"},
        "type": "document",
        "timestamp": instant(now),
        "entry": [{"fullUrl": f"urn:uuid:{identity}", "resource": composition}, *entries],
    }


def signed(bundle: Json, data: str, now: datetime) -> Json:
    """Return `bundle` with its signature; `data` is the base64 of the detached JWS."""
    return {
        **bundle,
        "signature": {
            "type": [_VERIFIED],
            "when": instant(now),
            "who": {"reference": f"Device/{SERVER_DEVICE}"},
            "targetFormat": "application/fhir+json",
            "sigFormat": SIGNATURE_FORMAT,
            "data": data,
        },
    }
