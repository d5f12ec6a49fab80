"""Client libraries of other people, through a whole session: they know R4, and nothing of us."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fhirclient import client as smart
from fhirclient.models.humanname import HumanName
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirpy import AsyncFHIRClient

from tests.e2e.conftest import RunningServer

LOINC = "http://loinc.org"
HEART_RATE = {"coding": [{"system": LOINC, "code": "8867-4"}]}


@pytest.fixture
def fhirclient_server(running_server: RunningServer) -> Iterator[Any]:
    """SMART on FHIR's own Python client (over requests)."""
    known = smart.FHIRClient(settings={"app_id": "tests", "api_base": running_server.base})
    known.server.session.headers["authorization"] = f"Bearer {running_server.token}"
    yield known.server
    known.server.session.close()


def test_fhirclient_runs_a_session(fhirclient_server: Any) -> None:
    server = fhirclient_server
    assert server.capabilityStatement.fhirVersion == "4.0.1"

    person = Patient()
    person.name = [HumanName({"family": "Fhirclient", "given": ["Ada"]})]
    person.gender = "female"
    made = person.create(server)
    assert made["resourceType"] == "Patient"

    read = Patient.read(made["id"], server)
    assert read.name[0].family == "Fhirclient"
    read.gender = "other"
    read.update(server)
    assert Patient.read(made["id"], server).gender == "other"

    for value in range(25):
        Observation(
            {
                "status": "final",
                "code": HEART_RATE,
                "subject": {"reference": f"Patient/{made['id']}"},
                "effectiveDateTime": f"2026-01-01T00:00:{value:02}Z",
                "valueQuantity": {"value": value, "unit": "/min"},
            }
        ).create(server)
    search = Observation.where(
        {"subject": f"Patient/{made['id']}", "_sort": "-date", "_count": "10"}
    )
    found = [one.valueQuantity.value for one in search.perform_resources_iter(server)]
    assert found == list(range(24, -1, -1))

    found_by_name = Patient.where({"family": "fhircl", "_revinclude": "Observation:subject"})
    kinds = {type(one).__name__ for one in found_by_name.perform_resources_iter(server)}
    assert kinds == {"Patient", "Observation"}

    Patient.read(made["id"], server).delete()
    with pytest.raises(Exception, match="410"):
        Patient.read(made["id"], server)


async def _fhirpy_session(running: RunningServer) -> None:
    client = AsyncFHIRClient(running.base, authorization=f"Bearer {running.token}")

    patient = client.resource(
        "Patient",
        name=[{"family": "Fhirpy", "given": ["Ben"]}],
        identifier=[{"system": "urn:tests", "value": "fhirpy-1"}],
        birthDate="1970-02-03",
    )
    await patient.save()
    assert patient.id is not None
    patient["gender"] = "male"
    await patient.save()
    assert (await client.reference("Patient", patient.id).to_resource())["gender"] == "male"
    await patient.patch(active=True)
    assert (await client.get(f"Patient/{patient.id}"))["active"] is True

    changed = client.resource(
        "Patient",
        identifier=[{"system": "urn:tests", "value": "fhirpy-1"}],
        name=[{"family": "Fhirpy"}],
        birthDate="1971-02-03",
    )
    same, created = (
        await client.resources("Patient").search(identifier="urn:tests|fhirpy-1").update(changed)
    )
    assert (same.id, same["birthDate"], created) == (patient.id, "1971-02-03", False)

    bundle = client.resource(
        "Bundle",
        type="transaction",
        entry=[
            {
                "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
                "resource": {
                    "resourceType": "Encounter",
                    "status": "finished",
                    "class": {"code": "AMB"},
                    "subject": {"reference": f"Patient/{patient.id}"},
                },
                "request": {"method": "POST", "url": "Encounter"},
            },
            {
                "resource": {
                    "resourceType": "Observation",
                    "status": "final",
                    "code": HEART_RATE,
                    "subject": {"reference": f"Patient/{patient.id}"},
                    "encounter": {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
                    "valueQuantity": {"value": 61},
                },
                "request": {"method": "POST", "url": "Observation"},
            },
        ],
    )
    await bundle.save()

    observations = client.resources("Observation").search(
        patient=patient.id, code=f"{LOINC}|8867-4"
    )
    assert len(await observations.fetch_all()) == 1
    newest = await observations.first()
    assert newest is not None
    encounter = newest["encounter"]["reference"]
    assert encounter.startswith("Encounter/")
    chained = client.resources("Observation").search(**{"patient:Patient.family": "fhirpy"})
    assert len(await chained.fetch_all()) == 1
    included = (
        client.resources("Observation")
        .search(patient=patient.id)
        .include("Observation", "encounter")
    )
    assert {
        entry["resource"]["resourceType"] for entry in (await included.fetch_raw())["entry"]
    } == {
        "Observation",
        "Encounter",
    }
    everything = await client.execute(f"Patient/{patient.id}/$everything", method="get")
    assert {entry["resource"]["resourceType"] for entry in everything["entry"]} >= {
        "Patient",
        "Encounter",
        "Observation",
    }
    assert await patient.is_valid()
    await client.delete(f"Patient/{patient.id}")
    # Its count sends a parameter that is another server's own; a lenient server leaves it out.
    lenient = AsyncFHIRClient(
        running.base,
        authorization=f"Bearer {running.token}",
        extra_headers={"Prefer": "handling=lenient"},
    )
    assert await lenient.resources("Encounter").search(patient=patient.id).count() == 1
    assert await lenient.resources("Patient").search(identifier="urn:tests|fhirpy-1").count() == 0


def test_fhirpy_runs_a_session(running_server: RunningServer) -> None:
    asyncio.run(_fhirpy_session(running_server))
