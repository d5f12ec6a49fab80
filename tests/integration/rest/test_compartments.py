"""Compartments, several types and lists over HTTP: everybody finds theirs, nobody the stranger's."""

import httpx
import pytest

from tests.integration.rest.conftest import Clients, observation, put


@pytest.fixture
async def filled(clients: Clients) -> Clients:
    for resource in (
        observation("anns", "ann"),
        observation("joes", "joe"),
        observation("nobodys", None),
        {
            "resourceType": "Encounter",
            "id": "visit",
            "status": "finished",
            "class": {"code": "HH"},
            "subject": {"reference": "Patient/ann"},
        },
        {
            "resourceType": "List",
            "id": "both",
            "status": "current",
            "mode": "working",
            "subject": {"reference": "Patient/ann"},
            "entry": [
                {"item": {"reference": one}}
                for one in ("Patient/ann", "Patient/joe", "Observation/anns", "Observation/joes")
            ],
        },
    ):
        answer = await put(clients.admin, resource)
        assert answer.status_code == 201, answer.text
    return clients


def found(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {
        f"{one['resource']['resourceType']}/{one['resource']['id']}"
        for one in answer.json().get("entry", ())
    }


EVERYBODY = ("admin", "nurse", "partner", "patient")


async def test_one_type_of_a_compartment(filled: Clients, subtests: pytest.Subtests) -> None:
    for role in EVERYBODY:
        with subtests.test(role=role):
            client = filled.by_role(role)
            answer = await client.get("Patient/ann/Observation")
            assert found(answer) == {"Observation/anns"}
            assert answer.json()["link"][0]["url"].endswith("/Patient/ann/Observation")
            form = await client.post("Patient/ann/Observation/_search", data={"status": "final"})
            assert found(form) == {"Observation/anns"}
            assert found(await client.get("Patient/ann/Observation?status=amended")) == set()
            assert found(await client.get("Patient/ann/Observation?patient=joe")) == set()


async def test_a_compartment_of_a_stranger(filled: Clients, subtests: pytest.Subtests) -> None:
    for path in ("Patient/joe/Observation", "Patient/joe/*", "Patient/none/Observation"):
        for role in EVERYBODY[1:]:
            with subtests.test(role=role, path=path):
                answer = await filled.by_role(role).get(path)
                assert answer.status_code == 404
                assert "anns" not in answer.text
    assert found(await filled.admin.get("Patient/joe/Observation")) == {"Observation/joes"}
    assert (await filled.admin.get("Patient/none/Observation")).status_code == 404
    assert (await filled.nobody.get("Patient/ann/Observation")).status_code == 401


async def test_all_of_a_compartment(filled: Clients) -> None:
    of_ann = {"Observation/anns", "CareTeam/team-ann", "RelatedPerson/bob", "List/both"}

    everything = found(await filled.admin.get("Patient/ann/*?_count=100"))
    assert everything >= {*of_ann, "Encounter/visit"}
    assert not everything & {
        "Observation/joes",
        "Observation/nobodys",
        "Patient/joe",
        "CareTeam/team-joe",
    }
    assert found(await filled.nurse.get("Patient/ann/*?_count=100")) == everything
    partner = found(await filled.partner.get("Patient/ann/*?_count=100"))
    assert "Observation/anns" in partner
    assert "Encounter/visit" not in partner
    assert partner < everything
    assert (await filled.partner.get("Patient/ann/Encounter")).status_code == 403


async def test_several_types_at_once(filled: Clients) -> None:
    both = "?_type=Observation,Patient&_count=100"

    assert found(await filled.admin.get(both)) == {
        "Observation/anns", "Observation/joes", "Observation/nobodys", "Patient/ann", "Patient/joe",
    }  # fmt: skip
    for role in EVERYBODY[1:]:
        assert found(await filled.by_role(role).get(both)) == {"Observation/anns", "Patient/ann"}
    answer = await filled.partner.get("?_type=Encounter,Patient")
    assert answer.status_code == 403
    counted = await filled.nurse.get("?_type=Observation,Patient&_total=accurate&_count=1")
    assert counted.json()["total"] == 2


async def test_the_items_of_a_list(filled: Clients) -> None:
    assert found(await filled.admin.get("Patient?_list=both")) == {"Patient/ann", "Patient/joe"}
    assert found(await filled.nurse.get("Patient?_list=both")) == {"Patient/ann"}
    assert found(await filled.nurse.get("Observation?_list=both")) == {"Observation/anns"}
    assert (await filled.partner.get("Patient?_list=both")).status_code == 403
