"""One resource of each type of the reference workload, as synthetic records have them.

They carry a `meta` of somebody else's, which a server must replace.
"""

from collections.abc import Mapping
from typing import Any, Final

Json = dict[str, Any]

ORDER: Final = (
    "Patient",
    "Location",
    "Organization",
    "Practitioner",
    "Encounter",
    "Observation",
    "MedicationRequest",
    "Claim",
    "ExplanationOfBenefit",
)
_FOREIGN: Final[Json] = {"versionId": "7", "lastUpdated": "2020-01-01T00:00:00.000Z"}


def _coded(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _money(value: float) -> Json:
    return {"value": value, "currency": "USD"}


def seed(type_: str, ids: Mapping[str, str]) -> Json:
    """Return a new resource of `type_`; `ids` are those of the resources made before it, by type."""
    return {"resourceType": type_, "meta": dict(_FOREIGN), **_SEEDS[type_](ids)}


def changed(resource: Json, turn: int) -> Json:
    """Return `resource` with the one element changed that the workload updates; `turn` makes it new."""
    type_ = resource["resourceType"]
    stamp = f"2026-01-01T00:00:{turn % 60:02}.{turn % 1000:03}Z"
    change: Json
    match type_:
        case "Patient" | "Practitioner":
            change = {"gender": "other" if resource.get("gender") == "unknown" else "unknown"}
        case "Location" | "Organization":
            change = {"name": f"{resource['name']}-{turn}"}
        case "Encounter":
            change = {"status": "in-progress" if resource["status"] == "planned" else "planned"}
        case "Observation":
            change = {"issued": stamp}
        case "MedicationRequest":
            change = {"status": "draft" if resource["status"] == "on-hold" else "on-hold"}
        case _:
            change = {"created": stamp}
    return {**resource, **change}


def _patient(_ids: Mapping[str, str]) -> Json:
    return {
        "text": {
            "status": "generated",
            "div": '<div xmlns="http://www.w3.org/1999/xhtml">Synthetic person</div>',
        },
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
                "valueString": "Shantel Kris",
            },
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
                "valueAddress": {"city": "Boston", "state": "Massachusetts", "country": "US"},
            },
        ],
        "identifier": [
            {
                "type": _coded(
                    "http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical Record Number"
                ),
                "system": "http://hospital.example.org",
                "value": "d1a2b3c4-0001",
            },
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999-41-6063"},
        ],
        "name": [
            {"use": "official", "family": "Abbott", "given": ["Elena", "Rose"], "prefix": ["Ms."]}
        ],
        "telecom": [{"system": "phone", "value": "555-868-1017", "use": "home"}],
        "gender": "unknown",
        "birthDate": "1957-03-04",
        "address": [
            {
                "line": ["112 Mill Street"],
                "city": "Lowell",
                "state": "MA",
                "postalCode": "01850",
                "country": "US",
            }
        ],
        "maritalStatus": _coded(
            "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M", "Married"
        ),
        "multipleBirthBoolean": False,
        "communication": [{"language": _coded("urn:ietf:bcp:47", "en-US", "English")}],
    }


def _location(_ids: Mapping[str, str]) -> Json:
    return {
        "identifier": [{"system": "http://hospital.example.org/places", "value": "loc-1"}],
        "status": "active",
        "name": "Mill Street Clinic",
        "telecom": [{"system": "phone", "value": "555-100-2000"}],
        "address": {"line": ["1 Mill Street"], "city": "Lowell", "state": "MA", "country": "US"},
        "position": {"longitude": -71.3, "latitude": 42.6},
    }


def _organization(_ids: Mapping[str, str]) -> Json:
    return {
        "identifier": [{"system": "http://hospital.example.org/orgs", "value": "org-1"}],
        "active": True,
        "type": [
            _coded(
                "http://terminology.hl7.org/CodeSystem/organization-type",
                "prov",
                "Healthcare Provider",
            )
        ],
        "name": "Mill Street Health",
        "telecom": [{"system": "phone", "value": "555-100-3000"}],
        "address": [{"line": ["1 Mill Street"], "city": "Lowell", "state": "MA", "country": "US"}],
    }


def _practitioner(_ids: Mapping[str, str]) -> Json:
    return {
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "9999900001"}],
        "active": True,
        "name": [{"family": "Reyes", "given": ["Ada"], "prefix": ["Dr."]}],
        "telecom": [{"system": "email", "value": "ada.reyes@hospital.example", "use": "work"}],
        "address": [{"line": ["1 Mill Street"], "city": "Lowell", "state": "MA", "country": "US"}],
        "gender": "unknown",
    }


def _encounter(ids: Mapping[str, str]) -> Json:
    return {
        "status": "planned",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [_coded("http://snomed.info/sct", "162673000", "General examination of patient")],
        "subject": {"reference": f"Patient/{ids['Patient']}", "display": "Elena Abbott"},
        "participant": [
            {
                "type": [
                    _coded(
                        "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                        "PPRF",
                        "primary performer",
                    )
                ],
                "period": {
                    "start": "2024-02-01T09:00:00-05:00",
                    "end": "2024-02-01T09:30:00-05:00",
                },
                "individual": {"reference": f"Practitioner/{ids['Practitioner']}"},
            }
        ],
        "period": {"start": "2024-02-01T09:00:00-05:00", "end": "2024-02-01T09:30:00-05:00"},
        "location": [{"location": {"reference": f"Location/{ids['Location']}"}}],
        "serviceProvider": {"reference": f"Organization/{ids['Organization']}"},
    }


def _observation(ids: Mapping[str, str]) -> Json:
    return {
        "status": "final",
        "category": [
            _coded(
                "http://terminology.hl7.org/CodeSystem/observation-category",
                "vital-signs",
                "Vital signs",
            )
        ],
        "code": _coded(
            "http://loinc.org",
            "72514-3",
            "Pain severity - 0-10 verbal numeric rating [Score] - Reported",
        ),
        "subject": {"reference": f"Patient/{ids['Patient']}"},
        "encounter": {"reference": f"Encounter/{ids['Encounter']}"},
        "effectiveDateTime": "2024-02-01T09:00:00-05:00",
        "issued": "2024-02-01T09:00:00.000-05:00",
        "valueQuantity": {
            "value": 3,
            "unit": "{score}",
            "system": "http://unitsofmeasure.org",
            "code": "{score}",
        },
    }


def _medication_request(ids: Mapping[str, str]) -> Json:
    return {
        "status": "on-hold",
        "intent": "order",
        "category": [
            _coded(
                "http://terminology.hl7.org/CodeSystem/medicationrequest-category",
                "community",
                "Community",
            )
        ],
        "medicationCodeableConcept": _coded(
            "http://www.nlm.nih.gov/research/umls/rxnorm", "314076", "lisinopril 10 MG Oral Tablet"
        ),
        "subject": {"reference": f"Patient/{ids['Patient']}"},
        "encounter": {"reference": f"Encounter/{ids['Encounter']}"},
        "authoredOn": "2024-02-01T09:30:00-05:00",
        "requester": {"reference": f"Practitioner/{ids['Practitioner']}"},
        "dosageInstruction": [
            {
                "sequence": 1,
                "text": "Take one a day.",
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "asNeededBoolean": False,
                "doseAndRate": [
                    {
                        "type": _coded(
                            "http://terminology.hl7.org/CodeSystem/dose-rate-type",
                            "ordered",
                            "Ordered",
                        ),
                        "doseQuantity": {"value": 1},
                    }
                ],
            }
        ],
    }


def _claim_type() -> Json:
    return _coded(
        "http://terminology.hl7.org/CodeSystem/claim-type", "institutional", "Institutional"
    )


def _claim(ids: Mapping[str, str]) -> Json:
    return {
        "status": "active",
        "type": _claim_type(),
        "use": "claim",
        "patient": {"reference": f"Patient/{ids['Patient']}"},
        "billablePeriod": {
            "start": "2024-02-01T09:00:00-05:00",
            "end": "2024-02-01T09:30:00-05:00",
        },
        "created": "2024-02-01T09:30:00-05:00",
        "provider": {"reference": f"Organization/{ids['Organization']}"},
        "priority": _coded(
            "http://terminology.hl7.org/CodeSystem/processpriority", "normal", "Normal"
        ),
        "prescription": {"reference": f"MedicationRequest/{ids['MedicationRequest']}"},
        "insurance": [
            {"sequence": 1, "focal": True, "coverage": {"display": "Blue Cross Blue Shield"}}
        ],
        "item": [
            {
                "sequence": 1,
                "productOrService": _coded(
                    "http://snomed.info/sct", "162673000", "General examination of patient"
                ),
                "encounter": [{"reference": f"Encounter/{ids['Encounter']}"}],
            },
            {
                "sequence": 2,
                "productOrService": _coded(
                    "http://snomed.info/sct", "271442007", "Fetal anatomy study"
                ),
                "net": _money(431.4),
            },
        ],
        "total": _money(516.95),
    }


def _explanation_of_benefit(ids: Mapping[str, str]) -> Json:
    patient = {"reference": f"Patient/{ids['Patient']}"}
    provider = {"reference": f"Practitioner/{ids['Practitioner']}"}
    items = [
        {
            "sequence": number,
            "category": _coded(
                "http://terminology.hl7.org/CodeSystem/ex-benefitcategory", "1", "Medical Care"
            ),
            "productOrService": _coded(
                "http://snomed.info/sct", "162673000", "General examination of patient"
            ),
            "servicedPeriod": {
                "start": "2024-02-01T09:00:00-05:00",
                "end": "2024-02-01T09:30:00-05:00",
            },
            "encounter": [{"reference": f"Encounter/{ids['Encounter']}"}],
            "net": _money(85.55),
            "adjudication": [
                {
                    "category": _coded(
                        "http://terminology.hl7.org/CodeSystem/adjudication", "submitted", title
                    ),
                    "amount": _money(amount),
                }
                for title, amount in (("Submitted", 85.55), ("Coinsurance", 17.11), ("Paid", 68.44))
            ],
        }
        for number in (1, 2, 3)
    ]
    return {
        "contained": [
            {
                "resourceType": "ServiceRequest",
                "id": "referral",
                "status": "completed",
                "intent": "order",
                "subject": patient,
                "requester": provider,
                "performer": [provider],
            },
            {
                "resourceType": "Coverage",
                "id": "coverage",
                "status": "active",
                "type": {"text": "Blue Cross Blue Shield"},
                "beneficiary": patient,
                "payor": [{"display": "Blue Cross Blue Shield"}],
            },
        ],
        "identifier": [{"system": "https://bluebutton.example/claim", "value": "claim-1"}],
        "status": "active",
        "type": _claim_type(),
        "use": "claim",
        "patient": patient,
        "billablePeriod": {
            "start": "2024-02-01T09:30:00-05:00",
            "end": "2025-02-01T09:30:00-05:00",
        },
        "created": "2024-02-01T09:30:00-05:00",
        "insurer": {"display": "Blue Cross Blue Shield"},
        "provider": provider,
        "referral": {"reference": "#referral"},
        "claim": {"reference": f"Claim/{ids['Claim']}"},
        "outcome": "complete",
        "careTeam": [
            {
                "sequence": 1,
                "provider": provider,
                "role": _coded(
                    "http://terminology.hl7.org/CodeSystem/claimcareteamrole",
                    "primary",
                    "Primary provider",
                ),
            }
        ],
        "insurance": [
            {
                "focal": True,
                "coverage": {"reference": "#coverage", "display": "Blue Cross Blue Shield"},
            }
        ],
        "item": items,
        "total": [
            {
                "category": _coded(
                    "http://terminology.hl7.org/CodeSystem/adjudication", "submitted", "Submitted"
                ),
                "amount": _money(256.65),
            }
        ],
        "payment": {"amount": _money(205.32)},
    }


_SEEDS: Final = {
    "Patient": _patient,
    "Location": _location,
    "Organization": _organization,
    "Practitioner": _practitioner,
    "Encounter": _encounter,
    "Observation": _observation,
    "MedicationRequest": _medication_request,
    "Claim": _claim,
    "ExplanationOfBenefit": _explanation_of_benefit,
}
