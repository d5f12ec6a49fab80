"""Ann, Joe and Kim (a child), a clinic with an administrator, and whoever tests need beside them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from fhirserver.kernel.canonical import CARE_TEAM_ADMIN, ESCALATION_TIER
from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.kernel.resource import Json
from fhirserver.store.record import Record
from tests.conftest import Database
from tests.integration.rest.conftest import BASE, JSON, _homes, open_application, patient, put
from tests.patience import unhurried

FHIR = {"content-type": JSON}


class Clinic:
    """A tenant with people in it; `who` gives an HTTP client that acts as somebody."""

    def __init__(self, record: Record, transport: httpx.ASGITransport, tenant: int) -> None:
        self.record = record
        self.tenant = tenant
        self._transport = transport
        self._clients: dict[tuple[str, str], httpx.AsyncClient] = {}
        self.admin: httpx.AsyncClient

    async def who(self, kind: PrincipalKind, reference: str = "") -> httpx.AsyncClient:
        key = (kind, reference)
        if key not in self._clients:
            token = await self.record.issue_token(Principal(self.tenant, kind, reference), 3600)
            self._clients[key] = self.bearing(token)
        return self._clients[key]

    def bearing(self, token: str) -> httpx.AsyncClient:
        """Return a client that shows this token."""
        return httpx.AsyncClient(
            transport=self._transport,
            base_url=f"{BASE}/",
            headers={"authorization": f"Bearer {token}", "content-type": JSON},
        )

    async def nurse(self, id_: str = "nina") -> httpx.AsyncClient:
        return await self.who("practitioner", f"Practitioner/{id_}")

    async def ann(self) -> httpx.AsyncClient:
        return await self.who("patient", "Patient/ann")

    async def store(self, *resources: Json) -> None:
        for resource in resources:
            answer = await put(self.admin, resource)
            assert answer.is_success, answer.text

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


def member(reference: str, *, tier: int | None = None, owner: bool = False) -> Json:
    extensions: list[Json] = []
    if tier is not None:
        extensions.append({"url": ESCALATION_TIER, "valuePositiveInt": tier})
    if owner:
        extensions.append({"url": CARE_TEAM_ADMIN, "valueBoolean": True})
    found: Json = {"member": {"reference": reference}}
    return found | {"extension": extensions} if extensions else found


def team(of: str, *members: Json, **more: Any) -> Json:
    return {
        "resourceType": "CareTeam",
        "id": f"team-{of}",
        "status": "active",
        "subject": {"reference": f"Patient/{of}"},
        "managingOrganization": [{"reference": "Organization/north"}],
        "participant": list(members),
        **more,
    }


def on_call(*members: str, **more: object) -> Json:
    return {
        "resourceType": "CareTeam",
        "id": "on-call",
        "status": "active",
        "category": [
            {
                "coding": [
                    {
                        "system": "https://w3id.org/fhirserver/CodeSystem/care-team-category",
                        "code": "on-call",
                    }
                ]
            }
        ],
        "participant": [{"member": {"reference": one}} for one in members],
        **more,
    }


def works_at(role: str, practitioner: str, organization: str, **more: Any) -> Json:
    return {
        "resourceType": "PractitionerRole",
        "id": role,
        "practitioner": {"reference": f"Practitioner/{practitioner}"},
        "organization": {"reference": f"Organization/{organization}"},
        **more,
    }


def privacy_consent(id_: str, of: str, provision: Json) -> Json:
    """A Consent of a patient about who may see the record."""
    return {
        "resourceType": "Consent",
        "id": id_,
        "status": "active",
        "scope": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/consentscope",
                    "code": "patient-privacy",
                }
            ]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{of}"},
        "policyRule": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}
            ]
        },
        "provision": provision,
    }


def denial(id_: str, of: str, reference: str) -> Json:
    """A Consent of a patient that keeps `reference` out of the whole record."""
    role = {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                "code": "IRCP",
            }
        ]
    }
    actor = {"role": role, "reference": {"reference": reference}}
    return privacy_consent(id_, of, {"type": "deny", "actor": [actor]})


def flag(id_: str, of: str) -> Json:
    return {
        "resourceType": "Flag",
        "id": id_,
        "status": "active",
        "code": {"text": "needle"},
        "subject": {"reference": f"Patient/{of}"},
    }


async def call(client: httpx.AsyncClient, url: str, **given: str) -> httpx.Response:
    """POST an operation with its parameters."""
    body: Json = {"resourceType": "Parameters"}
    if given:
        body["parameter"] = [
            {"name": name.rstrip("_"), "valueString": value} for name, value in given.items()
        ]
    return await client.post(url, json=body)


def said(answer: httpx.Response) -> dict[str, Any]:
    """The parameters of an answer by name; references as text."""
    assert answer.status_code == 200, answer.text
    return _values(answer.json().get("parameter", ()))


def listed(answer: httpx.Response) -> list[dict[str, Any]]:
    """The groups of an answer."""
    assert answer.status_code == 200, answer.text
    return [_values(one["part"]) for one in answer.json().get("parameter", ())]


async def sees(client: httpx.AsyncClient, url: str) -> bool:
    answer = await client.get(url)
    assert answer.status_code in (200, 403, 404), answer.text
    return answer.status_code == 200


async def until_sees(client: httpx.AsyncClient, url: str) -> None:
    """Wait until `url` is open to `client`; a second is the promise."""
    async with unhurried(1.0):
        while not await sees(client, url):  # noqa: ASYNC110 - what a caller would do
            await asyncio.sleep(0.02)


async def until_not(client: httpx.AsyncClient, url: str) -> None:
    """Wait until `url` is closed to `client`; a second is the promise."""
    async with unhurried(1.0):
        while await sees(client, url):  # noqa: ASYNC110 - what a caller would do
            await asyncio.sleep(0.02)


def _values(parameters: Any) -> dict[str, Any]:
    found = {}
    for one in parameters:
        (value,) = (content for name, content in one.items() if name != "name")
        found[one["name"]] = value["reference"] if isinstance(value, dict) else value
    return found


@asynccontextmanager
async def open_clinic(database: Database) -> AsyncIterator[Clinic]:
    """A tenant nobody else uses."""
    async with open_application(database) as (record, transport):
        tenant = await record.ensure_tenant(f"clinic-{next(_homes)}")
        clinic = Clinic(record, transport, tenant)
        clinic.admin = await clinic.who("admin")
        await clinic.store(
            *(
                {"resourceType": "Organization", "id": one, "name": one}
                for one in ("north", "south")
            ),
            *(
                {"resourceType": "Practitioner", "id": one}
                for one in ("nina", "olga", "omar", "clerk", "stranger")
            ),
            works_at("clerk", "clerk", "north"),
            works_at("foreign", "stranger", "south"),
            patient("ann", birthDate="1961-04-02"),
            patient("joe", birthDate="1950-01-31"),
            patient("kim", birthDate="2015-05-05"),
            {"resourceType": "RelatedPerson", "id": "bob", "patient": {"reference": "Patient/ann"}},
            team(
                "ann",
                member("Practitioner/olga", owner=True),
                member("Practitioner/nina"),
                member("RelatedPerson/bob", tier=1),
            ),
            team(
                "joe",
                member("Practitioner/omar"),
                managingOrganization=[{"reference": "Organization/south"}],
            ),
            team("kim", member("Practitioner/nina")),
            *(flag(f"flag-{one}", one) for one in ("ann", "joe", "kim")),
            *(
                {
                    "resourceType": "Condition",
                    "id": f"ckd-{one}",
                    "subject": {"reference": f"Patient/{one}"},
                }
                for one in ("ann", "joe", "kim")
            ),
        )
        try:
            yield clinic
        finally:
            await clinic.close()
