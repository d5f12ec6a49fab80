"""Every interaction over HTTP against a real database."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from fhirserver.definitions import load
from tests.integration.rest.conftest import BASE, JSON, Clients, observation, patient, put

FHIR = {"content-type": JSON}


async def test_a_resource_lives_from_create_to_tombstone(clients: Clients) -> None:
    admin = clients.admin
    body = {**observation("ignored", "ann"), "note": [{"text": "Ärzte"}]}

    created = await admin.post("Observation", json=body, headers=FHIR)
    url = created.headers["location"].removeprefix(f"{BASE}/").partition("/_history")[0]
    read = await admin.get(url)
    assert created.status_code == 201
    assert read.content == created.content
    assert read.headers["etag"] == 'W/"1"'
    assert read.json()["id"] != "ignored"

    updated = await put(admin, {**read.json(), "status": "amended"})
    assert updated.status_code == 200
    assert (await admin.get(f"{url}/_history/1")).json()["status"] == "final"
    assert (await admin.get(f"{url}/_history/2")).json()["status"] == "amended"

    assert (await admin.delete(url)).status_code == 204
    assert (await admin.get(url)).status_code == 410
    assert (await admin.get(f"{url}/_history/3")).status_code == 410
    history = (await admin.get(f"{url}/_history")).json()
    assert [one["request"]["method"] for one in history["entry"]] == ["DELETE", "PUT", "POST"]
    back = await put(admin, {**read.json(), "status": "corrected"})
    assert back.status_code == 201
    assert back.headers["etag"] == 'W/"4"'


async def test_decimals_keep_their_digits(clients: Clients) -> None:
    body = (
        b'{"resourceType":"Observation","id":"digits","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.00}}'
    )
    await clients.admin.put("Observation/digits", content=body, headers=FHIR)

    assert b'"value":1.00' in (await clients.admin.get("Observation/digits")).content


async def test_every_type_answers(clients: Clients) -> None:
    for type_ in load().resource_types:
        assert (await clients.admin.get(f"{type_}/nothing")).status_code == 404, type_
        assert (await clients.nurse.get(f"{type_}/nothing")).status_code == 404, type_
        assert (await clients.admin.get(f"{type_}?_id=nothing")).status_code == 200, type_


async def test_history_pages_to_the_first_version(clients: Clients) -> None:
    for number in range(6):
        await put(clients.admin, patient("ann", multipleBirthInteger=number))

    versions: list[str] = []
    url: str | None = "Patient/ann/_history?_count=3"
    while url is not None:
        bundle = (await clients.admin.get(url)).json()
        versions += [one["resource"]["meta"]["versionId"] for one in bundle["entry"]]
        url = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), None)

    assert versions == ["7", "6", "5", "4", "3", "2", "1"]


async def test_of_parallel_updates_of_one_version_exactly_one_wins(clients: Clients) -> None:
    async def attempt(number: int) -> int:
        answer = await clients.admin.put(
            "Patient/ann",
            json=patient("ann", multipleBirthInteger=number),
            headers={**FHIR, "if-match": 'W/"1"'},
        )
        return answer.status_code

    statuses = await asyncio.gather(*(attempt(number) for number in range(10)))

    assert sorted(statuses) == [200] + [412] * 9
    assert (await clients.admin.get("Patient/ann")).headers["etag"] == 'W/"2"'


async def test_parallel_creates_under_one_id_make_one_resource(clients: Clients) -> None:
    async def attempt() -> int:
        return (await put(clients.admin, patient("new"))).status_code

    statuses = await asyncio.gather(*(attempt() for _ in range(5)))

    assert sorted(statuses) == [200] * 4 + [201]


async def test_of_parallel_creates_that_must_be_first_exactly_one_wins(clients: Clients) -> None:
    async def attempt() -> int:
        answer = await clients.admin.put(
            "Patient/new", json=patient("new"), headers={**FHIR, "if-none-match": "*"}
        )
        return answer.status_code

    statuses = await asyncio.gather(*(attempt() for _ in range(5)))

    assert sorted(statuses) == [201] + [412] * 4


async def test_an_invalid_resource_stores_nothing(clients: Clients) -> None:
    answer = await put(clients.admin, patient("bad", gender="x", unheard=1))

    assert answer.status_code == 422
    assert len(answer.json()["issue"]) == 2
    assert (await clients.admin.get("Patient/bad")).status_code == 404


async def found(client: httpx.AsyncClient, query: str) -> list[str]:
    """The ids a search finds, through all of its pages."""
    ids: list[str] = []
    url: str | None = query
    while url is not None:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        ids += [one["resource"]["id"] for one in bundle.get("entry", ())]
        url = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), None)
    return ids


async def seed_observations(admin: httpx.AsyncClient) -> None:
    category = {"coding": [{"code": "vital-signs"}]}
    for resource in (
        observation("a1", "ann", effectiveDateTime="2026-03-01T10:00:00Z"),
        observation("a2", "ann", effectiveDateTime="2026-03-02T10:00:00Z", status="preliminary"),
        observation("a3", "ann", effectiveDateTime="2026-03-03", category=[category]),
        observation("j1", "joe", effectiveDateTime="2026-03-02T12:00:00+02:00"),
    ):
        assert (await put(admin, resource)).status_code == 201


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("Observation?code=8480-6", {"a1", "a2", "a3", "j1"}),
        ("Observation?code=http://loinc.org|8480-6", {"a1", "a2", "a3", "j1"}),
        ("Observation?code=http://loinc.org|8462-4", set()),
        ("Observation?status=final", {"a1", "a3", "j1"}),
        ("Observation?status=final,preliminary&patient=ann", {"a1", "a2", "a3"}),
        ("Observation?category=vital-signs", {"a3"}),
        ("Observation?patient=Patient/ann", {"a1", "a2", "a3"}),
        ("Observation?subject=Patient/joe", {"j1"}),
        (f"Observation?subject={BASE}/Patient/joe", {"j1"}),
        ("Observation?date=2026-03-02", {"a2", "j1"}),
        ("Observation?date=ge2026-03-02T11:00:00Z", {"a3"}),
        ("Observation?date=ge2026-03-02&date=lt2026-03-03", {"a2", "j1"}),
        ("Observation?_id=a1,j1", {"a1", "j1"}),
        ("Observation?_id=a1&patient=joe", set()),
        ("Patient?family=an", {"ann"}),
        ("Patient?family:exact=Ann", {"ann"}),
        ("Patient?family:exact=ann", set()),
        ("Patient?name=JOE", {"joe"}),
        ("Patient?gender=female", {"ann"}),
        ("Patient?birthdate=1961", {"ann"}),
        ("CareTeam?participant=Practitioner/omar", {"team-joe"}),
    ],
)
async def test_search(clients: Clients, query: str, ids: set[str]) -> None:
    await seed_observations(clients.admin)

    assert set(await found(clients.admin, query)) == ids


async def test_search_by_last_update(clients: Clients) -> None:
    # The server's clock has milliseconds, and the seed was written before this line.
    await asyncio.sleep(0.002)
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    await asyncio.sleep(0.002)
    await seed_observations(clients.admin)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()

    assert await found(clients.admin, f"Patient?_lastUpdated=gt{moment}") == []
    assert len(await found(clients.admin, f"Observation?_lastUpdated=gt{moment}")) == 4
    assert await found(clients.admin, f"Observation?_lastUpdated=ge{tomorrow}") == []


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        ("date", ["a1", "a2", "a3"]),
        ("-date", ["a3", "a2", "a1"]),
        ("_lastUpdated", ["a1", "a2", "a3"]),
        ("-_lastUpdated", ["a3", "a2", "a1"]),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 50])
async def test_sort(clients: Clients, sort: str, ids: list[str], count: int) -> None:
    await seed_observations(clients.admin)

    assert await found(clients.admin, f"Observation?patient=ann&_sort={sort}&_count={count}") == ids


async def test_a_search_by_form_finds_the_same(clients: Clients) -> None:
    await seed_observations(clients.admin)

    answer = await clients.admin.post("Observation/_search", data={"patient": "ann"})

    assert len(answer.json()["entry"]) == 3


@pytest.mark.parametrize("sort", ["_lastUpdated", "-_lastUpdated", "date", "-date", ""])
async def test_pages_are_stable_while_others_write(clients: Clients, sort: str) -> None:
    admin = clients.admin
    expected = {f"o{number}" for number in range(20)}
    for number in range(20):
        day = f"2026-03-{1 + number // 2:02}"
        await put(admin, observation(f"o{number}", "ann", effectiveDateTime=day))

    query = "Observation?patient=ann&_count=3" + (f"&_sort={sort}" if sort else "")
    seen: list[str] = []
    url: str | None = query
    page = 0
    while url is not None:
        bundle = (await admin.get(url)).json()
        seen += [one["resource"]["id"] for one in bundle.get("entry", ())]
        page += 1
        if page < 20:
            await put(admin, observation(f"new{page}", "ann", effectiveDateTime="2026-03-05"))
            await put(admin, observation(f"other{page}", "joe"))
        url = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), None)

    assert expected <= set(seen)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    "query",
    [
        "Observation?nonsense=1",
        "Observation?code:unknown=1",
        "Observation?date=yesterday",
        "Observation?_count=many",
        "Observation?_sort=nonsense",
        "Observation?_cursor=forged",
        "Patient?birthdate=zz2020",
    ],
)
async def test_what_search_does_not_understand_it_refuses(clients: Clients, query: str) -> None:
    answer = await clients.admin.get(query)

    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_metadata_is_open_and_lists_every_type(clients: Clients) -> None:
    answer = await clients.nobody.get("metadata")

    assert answer.status_code == 200
    assert len(answer.json()["rest"][0]["resource"]) == len(load().resource_types)
