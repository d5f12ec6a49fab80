"""Seeding: what the demonstration writes into the record, through the REST interface alone.

Every id is fixed and nothing is written that is already there, so a second run changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from simulator import codes, resources
from simulator.demo.cast import HOUSEHOLDS, NURSE, Household, Person
from simulator.record import Record
from simulator.transports.connection import Credential

Json = dict[str, Any]

CANONICAL: Final = "https://w3id.org/fhirserver/StructureDefinition/"
CARE_TEAM_ADMIN: Final = CANONICAL + "care-team-admin"
ESCALATION_TIER: Final = CANONICAL + "escalation-tier"
MONITORING_RULE: Final = CANONICAL + "monitoring-rule"
ORGANIZATION: Final = "demo-clinic"
TOKEN_LIFETIME_S: Final = 7 * 24 * 3600
_ROLES: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"


def organization() -> Json:
    """Return the clinic."""
    return {
        "resourceType": "Organization",
        "id": ORGANIZATION,
        "meta": resources.test_data(),
        "active": True,
        "name": "Riverside Home Dialysis",
    }


def nurse(person: Person) -> Json:
    """Return the nurse on call."""
    return {
        "resourceType": "Practitioner",
        "id": person.id,
        "meta": resources.test_data(),
        "active": True,
        "name": [{"family": person.family, "given": [person.given]}],
        "telecom": [{"system": "sms", "value": person.phone, "use": "work", "rank": 1}],
        "communication": [resources.spoken(person.language)],
    }


def partner(home: Household, person: Person) -> Json:
    """Return one of the people around a patient who are called."""
    return {
        "resourceType": "RelatedPerson",
        "id": person.id,
        "meta": resources.test_data(),
        "active": True,
        "patient": {"reference": home.patient.reference},
        "relationship": [
            {
                "coding": [
                    {"system": _ROLES, "code": "DOMPART" if person is home.partner else "CHILD"}
                ]
            }
        ],
        "name": [{"family": person.family, "given": [person.given]}],
        "telecom": [{"system": "sms", "value": person.phone, "use": "mobile", "rank": 1}],
        "communication": [{"language": resources.spoken(person.language), "preferred": True}],
    }


def care_team(home: Household) -> Json:
    """Return who is called for this patient, and in which order."""

    def participant(tier: int, person: Person, role: str) -> Json:
        tends = [{"url": CARE_TEAM_ADMIN, "valueBoolean": True}] if person is NURSE else []
        return {
            "extension": [{"url": ESCALATION_TIER, "valuePositiveInt": tier}, *tends],
            "role": [{"text": role}],
            "member": {"reference": person.reference, "display": person.name},
        }

    return {
        "resourceType": "CareTeam",
        "id": f"demo-team-{home.key}",
        "meta": resources.test_data(),
        "status": "active",
        "name": f"Care team of {home.patient.name}",
        "subject": {"reference": home.patient.reference},
        "participant": [
            participant(1, home.partner, "care partner"),
            participant(2, home.second, "second care partner"),
            participant(3, NURSE, "home dialysis nurse"),
        ],
        "managingOrganization": [{"reference": f"Organization/{ORGANIZATION}"}],
    }


def own_rule(home: Household, limit: int) -> Json:
    """Return the clinician's order of this patient's own systolic limit (mm[Hg])."""

    def quantity(value: float) -> Json:
        return {"value": value, "unit": "mmHg", "system": codes.UCUM, "code": "mm[Hg]"}

    parameter = {
        "coding": [
            {"system": codes.MDC, "code": codes.SYSTOLIC, "display": "MDC_PRESS_BLD_NONINV_SYS"},
            {"system": "http://loinc.org", "code": "8480-6"},
        ],
        "text": "Systolic blood pressure",
    }
    return {
        "resourceType": "ServiceRequest",
        "id": f"demo-limits-{home.key}",
        "meta": resources.test_data(),
        "extension": [
            {
                "url": MONITORING_RULE,
                "extension": [
                    {"url": "id", "valueId": "own-systolic"},
                    {"url": "parameter", "valueCodeableConcept": parameter},
                    {"url": "limit", "valueRange": {"low": quantity(limit)}},
                    {"url": "hysteresis", "valueQuantity": quantity(5)},
                    {"url": "priority", "valueCode": "PH"},
                    {"url": "confirm-by-reread", "valueBoolean": True},
                    {"url": "family", "valueCode": "hypotension"},
                ],
            }
        ],
        "status": "active",
        "intent": "order",
        "category": [{"text": "Telemonitoring"}],
        "code": {"text": "Monitoring limits for home dialysis"},
        "subject": {"reference": home.patient.reference},
        "authoredOn": "2026-01-05T09:00:00Z",
        "requester": {"reference": NURSE.reference},
    }


def machine_id(home: Household) -> str:
    """Return the id of the home's dialysis machine."""
    return f"demo-machine-{home.key}"


def cuff_id(home: Household) -> str:
    """Return the id of the home's cuff."""
    return f"demo-cuff-{home.key}"


def before_calls(home: Household) -> Iterable[Json]:
    """Return what a home needs before anybody is asked to confirm a phone number."""
    person = home.patient
    yield resources.patient(
        person.id,
        person.given,
        person.family,
        home.gender,
        home.birth_date,
        person.language,
        person.phone,
    )
    for identity, hardware in ((machine_id(home), home.machine), (cuff_id(home), home.cuff)):
        yield resources.device(identity, hardware)
        yield resources.in_use(f"{identity}-use", person.id, identity)
    if home.own_limit is not None:
        yield own_rule(home, home.own_limit)


@dataclass(frozen=True, slots=True)
class Seeded:
    """What seeding found out: broker credentials by EUI-64, bearer tokens by role."""

    credentials: dict[str, Credential]
    tokens: dict[str, str]


async def seed_devices(record: Record) -> dict[str, Credential]:
    """Write clinic, nurse, patients, devices, rules; return fresh credentials of every device."""
    await record.ensure(organization())
    await record.ensure(nurse(NURSE))
    credentials: dict[str, Credential] = {}
    for home in HOUSEHOLDS:
        for resource in before_calls(home):
            await record.ensure(resource)
        for identity, hardware in ((machine_id(home), home.machine), (cuff_id(home), home.cuff)):
            answer = await record.enroll(identity)
            credentials[hardware.eui64] = Credential(
                answer["username"], answer["password"], answer["tenant"], answer["device"]
            )
    return credentials


async def seed_people(record: Record) -> None:
    """Write who is called: the server asks each phone to confirm."""
    for home in HOUSEHOLDS:
        for person in (home.partner, home.second):
            await record.ensure(partner(home, person))
        await record.ensure(care_team(home))


async def issue_tokens(record: Record, admin: str) -> dict[str, str]:
    """Return the bearer tokens of `demo.json`."""
    first = HOUSEHOLDS[0]
    return {
        "admin": admin,
        "clinician": await record.issue_token("practitioner", NURSE.reference, TOKEN_LIFETIME_S),
        "partner": await record.issue_token(
            "related-person", first.partner.reference, TOKEN_LIFETIME_S
        ),
        "patient": await record.issue_token("patient", first.patient.reference, TOKEN_LIFETIME_S),
    }
