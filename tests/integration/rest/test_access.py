"""Two patients, three roles, every read path: what a caller has no relationship with is not there.

The expectation is a small oracle of its own, not the policy table: the team of Ann sees Ann, nobody
here sees Joe, and a care partner sees alarms and vital signs but no diagnoses.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Json
from fhirserver.rest.callers import Callers
from fhirserver.store.connection import Connection, Query
from tests.conftest import Database
from tests.integration.rest.conftest import (
    JSON,
    Clients,
    care_team,
    observation,
    open_clients,
    patient,
    put,
)
from tests.patience import unhurried

FHIR = {"content-type": JSON}
ROLES = ("nurse", "partner", "patient")
PATIENTS = ("ann", "joe")


def flag(id_: str, of: str) -> Json:
    return {
        "resourceType": "Flag",
        "id": id_,
        "status": "active",
        "code": {"text": "needle"},
        "subject": {"reference": f"Patient/{of}"},
    }


def condition(id_: str, of: str) -> Json:
    return {"resourceType": "Condition", "id": id_, "subject": {"reference": f"Patient/{of}"}}


async def seed_records(admin: httpx.AsyncClient) -> None:
    for of in PATIENTS:
        for resource in (
            observation(f"bp-{of}", of),
            flag(f"flag-{of}", of),
            condition(f"ckd-{of}", of),
        ):
            for _ in range(2):
                assert (await put(admin, resource)).is_success


URLS = {
    "Patient": "Patient/{of}",
    "Observation": "Observation/bp-{of}",
    "Flag": "Flag/flag-{of}",
    "Condition": "Condition/ckd-{of}",
    "CareTeam": "CareTeam/team-{of}",
}


def sees(role: str, type_: str, of: str) -> bool:
    return of == "ann" and not (role == "partner" and type_ == "Condition")


async def readable(client: httpx.AsyncClient, url: str) -> dict[str, bool]:
    """By read path, whether it shows the resource; anything but shown and absent fails."""
    type_, _, id_ = url.partition("/")
    shown: dict[str, bool] = {}
    for path in (url, f"{url}/_history/1", f"{url}/_history"):
        answer = await client.get(path)
        assert answer.status_code in (200, 404), (path, answer.status_code)
        shown[path] = answer.status_code == 200
    of = id_.rpartition("-")[2]
    about = "_id" if type_ == "Patient" else "patient"
    for path in (
        f"{type_}?_id={id_}",
        f"{type_}?_count=100",
        f"{type_}?{about}={of}",
        f"{type_}?_sort=-_lastUpdated",
    ):
        answer = await client.get(path)
        assert answer.status_code in (200, 403), (path, answer.status_code)
        shown[path] = f'"id":"{id_}"' in answer.text
    form = await client.post(f"{type_}/_search", data={"_id": id_})
    shown["_search"] = f'"id":"{id_}"' in form.text
    head = await client.head(url)
    shown["HEAD"] = head.status_code == 200
    return shown


@pytest.mark.parametrize("role", ROLES)
async def test_every_read_path_shows_the_own_and_hides_the_other_patient(
    clients: Clients, role: str
) -> None:
    await seed_records(clients.admin)

    for type_, template in URLS.items():
        for of in PATIENTS:
            shown = await readable(clients.by_role(role), template.format(of=of))
            expected = sees(role, type_, of)
            assert shown == dict.fromkeys(shown, expected), (role, type_, of)


async def test_administrators_see_both(clients: Clients) -> None:
    await seed_records(clients.admin)

    for template in URLS.values():
        for of in PATIENTS:
            shown = await readable(clients.admin, template.format(of=of))
            assert all(shown.values()), shown


async def test_tenants_are_walls(clients: Clients, shared_database: Database) -> None:
    await put(clients.admin, observation("ours", "ann"))

    async with open_clients(shared_database) as others:
        assert (await others.admin.get("Observation/ours")).status_code == 404
        assert "entry" not in (await others.admin.get("Observation")).json()
        assert (await put(others.admin, observation("ours", "ann"))).status_code == 201
        await others.admin.delete("Patient/ann")
    assert (await clients.admin.get("Patient/ann")).status_code == 200
    assert (await clients.admin.get("Observation/ours")).headers["etag"] == 'W/"1"'


@pytest.mark.parametrize(
    "path",
    ["Patient/ann", "Patient/ann/_history/1", "Patient/ann/_history", "Patient", "Patient?_id=ann"],
)
async def test_without_a_token_there_is_no_answer(clients: Clients, path: str) -> None:
    answer = await clients.nobody.get(path)

    assert answer.status_code == 401
    assert "Ann" not in answer.text


async def test_a_form_search_and_writes_need_a_token_too(clients: Clients) -> None:
    nobody = clients.nobody

    assert (await nobody.post("Patient/_search", data={"_id": "ann"})).status_code == 401
    assert (await put(nobody, patient("new"))).status_code == 401
    assert (await nobody.post("Patient", json=patient("x"), headers=FHIR)).status_code == 401
    assert (await nobody.delete("Patient/ann")).status_code == 401
    assert (await nobody.post("$issue-token")).status_code == 401


@pytest.mark.parametrize("role", ROLES)
async def test_absent_and_invisible_are_told_in_the_same_words(clients: Clients, role: str) -> None:
    client = clients.by_role(role)

    hidden, absent = await client.get("Patient/joe"), await client.get("Patient/jim")

    assert hidden.status_code == absent.status_code == 404
    assert hidden.text == absent.text.replace("jim", "joe")
    for path in ("Patient/{}/_history", "Patient/{}/_history/1"):
        hidden, absent = await client.get(path.format("joe")), await client.get(path.format("jim"))
        assert hidden.text == absent.text.replace("jim", "joe")


async def test_an_unassigned_measurement_is_for_administrators(clients: Clients) -> None:
    await put(clients.admin, observation("loose", None))

    for role in ROLES:
        client = clients.by_role(role)
        assert (await client.get("Observation/loose")).status_code == 404
        assert '"loose"' not in (await client.get("Observation")).text
    assert (await clients.admin.get("Observation/loose")).status_code == 200


async def until_hidden(client: httpx.AsyncClient, url: str) -> None:
    """Wait until `url` is hidden from `client`; a second is the promise."""
    async with unhurried(1.0):
        while (await client.get(url)).status_code != 404:  # noqa: ASYNC110 - nobody tells a client
            await asyncio.sleep(0.02)


async def test_somebody_removed_from_the_team_is_out_within_a_second(clients: Clients) -> None:
    assert (await clients.partner.get("Patient/ann")).status_code == 200
    await put(clients.admin, care_team("ann", "Practitioner/nina"))
    await until_hidden(clients.partner, "Patient/ann")
    assert (await clients.nurse.get("Patient/ann")).status_code == 200


async def test_a_team_that_ended_gives_no_access(clients: Clients) -> None:
    ended = {**care_team("ann", "Practitioner/nina"), "period": {"end": "2020-01-01"}}
    await put(clients.admin, ended)
    await until_hidden(clients.nurse, "Patient/ann")


async def test_writes_follow_the_same_relationships(clients: Clients) -> None:
    nurse, partner = clients.nurse, clients.partner
    await seed_records(clients.admin)

    assert (await put(nurse, observation("bp-ann", "ann", status="amended"))).status_code == 200
    assert (await put(nurse, observation("bp-joe", "joe"))).status_code == 404
    assert (await put(nurse, observation("bp-joe", "ann"))).status_code == 404
    assert (await put(nurse, observation("bp-ann", "joe"))).status_code == 403
    assert (await put(nurse, observation("bp-new", "joe"))).status_code == 403
    assert (await put(partner, observation("bp-ann", "ann"))).status_code == 403
    assert (await put(partner, care_team("ann", "RelatedPerson/bob"))).status_code == 403
    assert (await put(nurse, care_team("joe", "Practitioner/nina"))).status_code == 404
    mine = care_team("joe", "Practitioner/nina") | {"id": "mine"}
    assert (await put(nurse, mine)).status_code == 403
    joe = (await clients.admin.get("Observation/bp-joe")).json()
    assert joe["meta"]["versionId"] == "2"


async def test_a_resource_that_moved_leaves_its_earlier_versions_behind(clients: Clients) -> None:
    await put(clients.admin, observation("moved", "joe", status="preliminary"))
    await put(clients.admin, observation("moved", "ann"))

    assert (await clients.nurse.get("Observation/moved")).status_code == 200
    assert (await clients.nurse.get("Observation/moved/_history/1")).status_code == 404
    history = await clients.nurse.get("Observation/moved/_history")
    assert "preliminary" not in history.text
    assert len(history.json()["entry"]) == 1


@pytest.mark.parametrize("role", ROLES)
async def test_absent_and_invisible_take_as_many_questions_to_the_database(
    clients: Clients, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await clients.admin.post("Observation", json=observation("x", "joe"), headers=FHIR)
    own = made.json()["id"]
    await seed_records(clients.admin)
    asked: list[int] = []
    genuine = Connection.round

    async def counted(self: Connection, queries: Sequence[Query]) -> Any:
        if "access_epoch" not in str(queries[0].sql):
            asked.append(len(queries))
        return await genuine(self, queries)

    monkeypatch.setattr(Connection, "round", counted)
    remembered: dict[bytes | None, Access] = {}
    decided = Callers.access

    async def access(self: Callers, authorization: bytes | None) -> Access:
        if authorization not in remembered:
            remembered[authorization] = await decided(self, authorization)
        return remembered[authorization]

    # Who is asking is remembered throughout.
    monkeypatch.setattr(Callers, "access", access)
    client = clients.by_role(role)
    await client.get("Patient/ann")

    async def questions(path: str) -> tuple[int, list[int]]:
        asked.clear()
        answer = await client.get(path)
        return answer.status_code, list(asked)

    unknown = own[:-4] + ("0000" if own[-4:] != "0000" else "1111")
    for hidden, absent in (
        ("Observation/bp-joe", "Observation/nothing"),
        (f"Observation/{own}", f"Observation/{unknown}"),
        ("Condition/ckd-joe", "Condition/nothing"),
        ("Patient/joe", "Patient/nothing"),
    ):
        for below in ("", "/_history", "/_history/1"):
            found = await questions(hidden + below)
            assert found == await questions(absent + below), (hidden, below)
            assert found[0] == 404
    # A care partner may read no Condition at all: nobody looks for one.
    if role == "partner":
        assert await questions("Condition/ckd-ann") == (404, [])
