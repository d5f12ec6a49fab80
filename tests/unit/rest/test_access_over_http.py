"""Authentication, and the access rules at every door: the invisible answers like the absent."""

from datetime import timedelta

import httpx
import pytest

from fhirserver.auth.lasting import LONGEST
from fhirserver.kernel.principal import Membership
from fhirserver.kernel.resource import Json
from tests.unit.rest.conftest import Server, token
from tests.unit.rest.memory_record import START

FHIR = {"content-type": "application/fhir+json"}


def observation(id_: str, *patients: str) -> Json:
    resource: Json = {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"text": "venous pressure"},
    }
    if patients:
        resource["subject"] = {"reference": f"Patient/{patients[0]}"}
    return resource


@pytest.mark.parametrize(
    "path", ["Patient/ann", "Patient", "Nothing/x", "$issue-token", "Patient/ann/_history"]
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Basic x"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer who"},
    ],
)
async def test_without_a_usable_token_nothing_is_answered(
    client: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    del client.headers["authorization"]

    answer = await client.get(path, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="fhir"'
    assert answer.json()["issue"][0]["code"] == "login"


async def test_metadata_and_health_need_no_token(client: httpx.AsyncClient) -> None:
    del client.headers["authorization"]

    assert (await client.get("metadata")).status_code == 200
    assert (await client.get("http://test/health/live")).status_code == 200
    assert (await client.get("http://test/health/ready")).status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_has_no_case(client: httpx.AsyncClient, scheme: str) -> None:
    answer = await client.get("Patient/ann", headers={"authorization": f"{scheme} nurse"})

    assert answer.status_code == 200


@pytest.mark.parametrize("who", ["nurse", "partner", "patient"])
async def test_the_patient_of_somebody_else_is_not_there(
    client: httpx.AsyncClient, server: Server, who: str
) -> None:
    server.record.add(observation("of-joe", "joe"))
    server.record.add(observation("of-ann", "ann"))

    for path in ("Patient/joe", "Observation/of-joe"):
        hidden = await client.get(path, headers=token(who))
        absent = await client.get(path.replace("joe", "nobody"), headers=token(who))
        assert hidden.status_code == absent.status_code == 404
        assert hidden.content == absent.content.replace(b"nobody", b"joe")
        assert (await client.get(f"{path}/_history/1", headers=token(who))).status_code == 404
        assert (await client.get(f"{path}/_history", headers=token(who))).status_code == 404
    found = (await client.get("Observation", headers=token(who))).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["of-ann"]


async def test_a_resource_of_two_patients_needs_both(
    client: httpx.AsyncClient, server: Server
) -> None:
    server.record.add(
        {
            "resourceType": "Appointment",
            "id": "class",
            "status": "booked",
            "participant": [
                {"actor": {"reference": "Patient/ann"}, "status": "accepted"},
                {"actor": {"reference": "Patient/joe"}, "status": "accepted"},
            ],
        }
    )

    assert (await client.get("Appointment/class", headers=token("nurse"))).status_code == 404
    assert "entry" not in (await client.get("Appointment", headers=token("nurse"))).json()
    server.record.teams.append(Membership("joe", "Practitioner/nina", None, None, None))
    server.epoch += 1
    assert (await client.get("Appointment/class", headers=token("nurse"))).status_code == 200


@pytest.mark.parametrize("who", ["nurse", "partner", "patient"])
async def test_a_measurement_of_nobody_is_for_administrators(
    client: httpx.AsyncClient, server: Server, who: str
) -> None:
    server.record.add(observation("unbound"))

    assert (await client.get("Observation/unbound", headers=token(who))).status_code == 404
    assert "entry" not in (await client.get("Observation", headers=token(who))).json()
    assert (await client.get("Observation/unbound")).status_code == 200


async def test_a_partner_sees_alarms_and_no_diagnoses(
    client: httpx.AsyncClient, server: Server
) -> None:
    condition = {"resourceType": "Condition", "id": "ckd", "subject": {"reference": "Patient/ann"}}
    server.record.add(condition)

    assert (await client.get("Condition/ckd", headers=token("partner"))).status_code == 404
    assert (await client.get("Condition", headers=token("partner"))).status_code == 403
    assert (await client.get("Condition/ckd", headers=token("nurse"))).status_code == 200


async def test_each_version_is_judged_by_its_own_content(
    client: httpx.AsyncClient, server: Server
) -> None:
    server.record.add(observation("moved", "joe"))
    server.record.add(observation("moved", "ann"))

    history = (await client.get("Observation/moved/_history", headers=token("nurse"))).json()

    assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["2"]
    assert (
        await client.get("Observation/moved/_history/1", headers=token("nurse"))
    ).status_code == 404


async def test_a_deletion_is_told_to_those_who_could_read_before(
    client: httpx.AsyncClient, server: Server
) -> None:
    server.record.add(observation("gone", "ann"))
    server.record.add(observation("unbound"))
    for id_ in ("gone", "unbound"):
        await client.delete(f"Observation/{id_}")

    nurse = token("nurse")
    assert (await client.get("Observation/gone", headers=nurse)).status_code == 410
    assert (await client.get("Observation/gone/_history/2", headers=nurse)).status_code == 410
    history = (await client.get("Observation/gone/_history", headers=nurse)).json()
    assert len(history["entry"]) == 2
    assert (await client.get("Observation/unbound", headers=nurse)).status_code == 404
    assert (await client.get("Observation/unbound/_history/2", headers=nurse)).status_code == 404
    assert (await client.get("Observation/unbound/_history", headers=nurse)).status_code == 404
    assert (await client.get("Observation/unbound")).status_code == 410


async def test_writes_for_patients_without_relationship(
    client: httpx.AsyncClient, server: Server
) -> None:
    server.record.add(observation("of-joe", "joe"))
    server.record.add(observation("of-ann", "ann"))
    nurse = {**FHIR, **token("nurse")}

    async def put(id_: str, *patients: str) -> int:
        answer = await client.put(
            f"Observation/{id_}", json=observation(id_, *patients), headers=nurse
        )
        return answer.status_code

    assert await put("of-ann", "ann") == 200
    assert await put("of-ann", "joe") == 403
    assert await put("of-joe", "ann") == 404
    assert await put("of-joe", "joe") == 404
    assert await put("new", "ann") == 201
    assert await put("new-too", "joe") == 403
    assert await put("new-too") == 403
    created = await client.post("Observation", json=observation("x", "joe"), headers=nurse)
    assert created.status_code == 403
    assert server.record.current("Observation", "new-too") is None


async def test_a_delete_of_what_is_not_visible_answers_like_one_of_nothing(
    client: httpx.AsyncClient, server: Server
) -> None:
    for patient in ("ann", "joe"):
        server.record.add(
            {
                "resourceType": "Subscription",
                "id": f"of-{patient}",
                "status": "active",
                "reason": "x",
                "criteria": f"Observation?patient=Patient/{patient}",
                "channel": {"type": "rest-hook"},
            }
        )

    hidden = await client.delete("Subscription/of-joe", headers=token("nurse"))
    absent = await client.delete("Subscription/nothing", headers=token("nurse"))

    assert hidden.status_code == absent.status_code == 204
    assert hidden.content == absent.content
    assert set(hidden.headers) == set(absent.headers)
    still = server.record.current("Subscription", "of-joe")
    assert still is not None
    assert not still.deleted


async def test_care_partners_write_in_their_own_name(client: httpx.AsyncClient) -> None:
    def message(sender: str | None) -> Json:
        resource: Json = {
            "resourceType": "Communication",
            "status": "completed",
            "subject": {"reference": "Patient/ann"},
        }
        return resource if sender is None else {**resource, "sender": {"reference": sender}}

    async def send(sender: str | None) -> int:
        answer = await client.post(
            "Communication", json=message(sender), headers={**FHIR, **token("partner")}
        )
        return answer.status_code

    assert await send("RelatedPerson/bob") == 201
    assert await send("Practitioner/nina") == 403
    assert await send(None) == 403


async def test_a_device_token_opens_nothing(client: httpx.AsyncClient, server: Server) -> None:
    server.record.add({"resourceType": "Organization", "id": "clinic", "name": "x"})

    assert (await client.get("Organization/clinic", headers=token("device"))).status_code == 404
    assert (await client.get("Organization/clinic", headers=token("partner"))).status_code == 200
    assert (
        await client.post(
            "Observation", json=observation("x", "ann"), headers={**FHIR, **token("device")}
        )
    ).status_code == 403


async def test_only_administrators_enrol_and_issue_tokens(
    client: httpx.AsyncClient, server: Server
) -> None:
    server.record.add({"resourceType": "Device", "id": "cuff"})

    for path in ("Device/cuff/$enroll", "$issue-token"):
        assert (await client.post(path, headers=token("nurse"))).status_code == 403
    enrolled = (await client.post("Device/cuff/$enroll")).json()
    values = {one["name"]: one["valueString"] for one in enrolled["parameter"]}
    assert values == {"username": "1.cuff", "password": "secret", "tenant": "1", "device": "cuff"}
    assert (await client.post("Device/none/$enroll")).status_code == 404


def ask(**values: object) -> Json:
    elements = {"kind": "valueCode", "reference": "valueString", "lifetime": "valuePositiveInt"}
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, elements[name]: value} for name, value in values.items()],
    }


async def test_a_token_is_issued_for_a_person_who_exists(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "$issue-token", json=ask(kind="patient", reference="Patient/joe", lifetime=60), headers=FHIR
    )

    values = {one["name"]: one for one in answer.json()["parameter"]}
    issued = values["token"]["valueString"]
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert values["lifetime"]["valuePositiveInt"] == 60
    assert (await client.get("Patient/joe", headers=token(issued))).status_code == 200
    assert (await client.get("Patient/ann", headers=token(issued))).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ask(kind="patient", reference="Patient/nobody"), 422),
        (ask(kind="patient", reference="Practitioner/nina"), 400),
        (ask(kind="patient"), 400),
        (ask(kind="admin", reference="Patient/ann"), 400),
        (ask(kind="admin"), 200),
        (ask(kind="device", reference="Device/cuff"), 400),
        (ask(kind="system"), 400),
        (ask(kind="patient", reference="Patient/ann", lifetime=0), 400),
        (ask(kind="patient", reference="Patient/ann", lifetime=10**9), 400),
        (ask(kind="patient", reference="Patient/ann", lifetime="60"), 400),
        (ask(), 400),
        ({"resourceType": "Patient"}, 400),
        ({"resourceType": "Parameters", "parameter": {}}, 400),
        ({"resourceType": "Parameters", "parameter": [{"name": "who", "valueString": "x"}]}, 400),
        ({"resourceType": "Parameters", "parameter": [{"name": "kind"}]}, 400),
        ({"resourceType": "Parameters", "parameter": ["kind"]}, 400),
    ],
)
async def test_what_a_token_may_be_issued_for(
    client: httpx.AsyncClient, body: Json, status: int
) -> None:
    assert (await client.post("$issue-token", json=body, headers=FHIR)).status_code == status


async def test_a_caller_is_remembered_while_nothing_is_said_to_have_changed(
    client: httpx.AsyncClient, server: Server
) -> None:
    async def read() -> int:
        return (await client.get("Patient/ann", headers=token("nurse"))).status_code

    assert await read() == 200
    server.record.teams.clear()
    server.seconds = LONGEST.total_seconds() - 0.1
    assert await read() == 200
    assert server.record.asked == ["nurse"]
    server.seconds = LONGEST.total_seconds()
    assert await read() == 404


async def test_a_period_that_ends_needs_no_new_epoch(
    client: httpx.AsyncClient, server: Server
) -> None:
    ends = START + timedelta(seconds=2)
    server.record.teams = [Membership("ann", "Practitioner/nina", None, None, ends)]

    async def read() -> int:
        return (await client.get("Patient/ann", headers=token("nurse"))).status_code

    assert await read() == 200
    server.seconds = 1.9
    assert await read() == 200
    assert server.record.asked == ["nurse"]
    server.seconds = 2.1
    assert await read() == 404


async def test_a_new_epoch_ends_what_was_remembered_at_once(
    client: httpx.AsyncClient, server: Server
) -> None:
    assert (await client.get("Patient/ann", headers=token("nurse"))).status_code == 200
    server.record.teams.clear()
    server.epoch += 1

    assert (await client.get("Patient/ann", headers=token("nurse"))).status_code == 404


async def test_a_token_that_is_gone_ends_without_a_new_epoch_too(
    client: httpx.AsyncClient, server: Server
) -> None:
    assert (await client.get("Patient/ann", headers=token("nurse"))).status_code == 200
    del server.record.tokens["nurse"]
    server.seconds = LONGEST.total_seconds()

    assert (await client.get("Patient/ann", headers=token("nurse"))).status_code == 401
