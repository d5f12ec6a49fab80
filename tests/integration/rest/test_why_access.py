"""$why-access: what an administrator is told about a permission and a refusal."""

from typing import Any

import pytest

from tests.integration.rest.conftest import Clients, observation, put
from tests.integration.rest.relationships import denial


def told(answer: Any) -> tuple[bool, list[dict[str, Any]]]:
    allowed, *facts = answer.json()["parameter"]
    parts = [
        {part["name"]: next(v for k, v in part.items() if k != "name") for part in one["part"]}
        for one in facts
    ]
    return allowed["valueBoolean"], parts


async def test_it_names_what_decided(clients: Clients) -> None:
    condition = {"resourceType": "Condition", "id": "ckd", "subject": {"reference": "Patient/ann"}}
    for resource in (observation("bp", "ann"), condition):
        assert (await put(clients.admin, resource)).is_success

    async def why(who: str, resource: str, **more: str) -> tuple[bool, list[dict[str, Any]]]:
        params = {"who": who, "resource": resource, **more}
        answer = await clients.admin.get("$why-access", params=params)
        assert answer.status_code == 200, answer.text
        assert "120" not in answer.text
        return told(answer)

    allowed, facts = await why("Practitioner/nina", "Observation/bp")
    assert allowed
    assert {"about": "membership", "for": True, "text": "care-team holds", "patient": "ann",
            "source": "CareTeam/team-ann"} in facts  # fmt: skip
    assert any(one["about"] == "policy" and one["for"] for one in facts)

    allowed, facts = await why("Practitioner/omar", "Observation/bp")
    assert not allowed
    assert {
        "about": "membership",
        "for": False,
        "text": "no relationship",
        "patient": "ann",
    } in facts

    allowed, facts = await why("RelatedPerson/bob", "Condition/ckd")
    assert not allowed
    assert any(one["about"] == "policy" and one["for"] is False for one in facts)

    scope = {
        "scope": "patient/Flag.rs patient/Observation.rs?category=laboratory",
        "patient": "ann",
    }
    allowed, facts = await why("Practitioner/nina", "Observation/bp", **scope)
    assert not allowed
    assert [one["text"] for one in facts if one["about"] == "scope"] == [
        "patient/Observation.rs?category=laboratory covers r, but its search is not met"
    ]


async def test_a_consent_is_named(clients: Clients) -> None:
    consent = denial("no-bob", "ann", "RelatedPerson/bob")
    consent["provision"]["class"] = [
        {"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}
    ]
    await put(clients.admin, observation("bp", "ann"))
    assert (await clients.partner.get("Observation/bp")).status_code == 200
    assert (await put(clients.admin, consent)).is_success, consent

    answer = await clients.admin.get(
        "$why-access", params={"who": "RelatedPerson/bob", "resource": "Observation/bp"}
    )
    allowed, facts = told(answer)
    assert not allowed
    assert "Consent/no-bob" in [one.get("source") for one in facts if one["about"] == "consent"]


@pytest.mark.parametrize("role", ["nurse", "partner", "patient"])
async def test_it_is_for_administrators(clients: Clients, role: str) -> None:
    answer = await clients.by_role(role).get(
        "$why-access", params={"who": "Practitioner/nina", "resource": "Patient/ann"}
    )

    assert answer.status_code == 403


@pytest.mark.parametrize(
    "params",
    [
        {"who": "Practitioner/nina", "resource": "ann"},
        {"who": "Practitioner/nina", "resource": "Patient/ann", "interaction": "look"},
        {"who": "Practitioner/nina", "resource": "Patient/ann", "kind": "patient"},
        {"who": "Practitioner/nina", "resource": "Patient/ann", "scope": "patient/Patient.sr"},
        {"who": "Organization/o", "resource": "Patient/ann"},
        {"who": "Practitioner/nina"},
    ],
)
async def test_what_it_cannot_read_is_refused(clients: Clients, params: dict[str, str]) -> None:
    assert (await clients.admin.get("$why-access", params=params)).status_code == 400
