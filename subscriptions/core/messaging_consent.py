"""The Consent by which somebody is called and texted: given by their code, taken back by STOP.

https://hl7.org/fhir/R4/consent.html. One per person, under the id of their managed Subscription: the
Subscription is what is done, the Consent is the proof that it was asked for, and when. It names no
number.
"""

from datetime import datetime
from typing import Final

from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json

_ACT: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_SCOPE: Final = "http://terminology.hl7.org/CodeSystem/consentscope"
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


def messaging_consent(member: str, patient: str | None, now: datetime, *, given: bool) -> Json:
    """Return the Consent of `member` (``RelatedPerson/bob``) to alerts about `patient`.

    Not `given`: they have ended it.
    """
    content: Json = {
        "resourceType": "Consent",
        "status": "active" if given else "inactive",
        "scope": _coded(_SCOPE, "patient-privacy"),
        "category": [_coded(_ACT, "OPTIN" if given else "OPTOUT")],
        "dateTime": instant(now),
        "performer": [{"reference": member}],
        "policyRule": _coded(_ACT, "OPTIN" if given else "OPTOUT"),
        "provision": {
            "type": "permit" if given else "deny",
            "actor": [{"role": _coded(_PARTICIPATION, "IRCP"), "reference": {"reference": member}}],
        },
    }
    if patient is not None:
        content["patient"] = {"reference": f"Patient/{patient}"}
    return content


def patient_of_member(member: str, resource: Json | None) -> str | None:
    """Return whose record a member belongs to, None for staff."""
    type_, _, id_ = member.partition("/")
    if type_ == "Patient":
        return id_
    reference = {} if resource is None else resource.get("patient", {})
    kind, _, found = str(reference.get("reference", "")).partition("/")
    return found if kind == "Patient" and found else None


def _coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}
