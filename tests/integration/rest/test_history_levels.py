"""History of a type and of everything: complete, in order, and only what the caller may see."""

import asyncio
from datetime import datetime, timedelta

import httpx

from fhirserver.kernel.resource import Json
from tests.integration.rest.conftest import Clients, observation, patient, put

Version = tuple[str, str]


async def versions(client: httpx.AsyncClient, url: str | None) -> list[Version]:
    """Every (reference, version) of a history, through all of its pages; deletions have version "-"."""
    found: list[Version] = []
    while url is not None:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        for entry in bundle.get("entry", ()):
            reference = "/".join(entry["fullUrl"].split("/")[-2:])
            resource: Json = entry.get("resource", {})
            found.append((reference, resource.get("meta", {}).get("versionId", "-")))
        url = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), None)
    return found


async def test_a_types_history_pages_to_the_first_version(clients: Clients) -> None:
    for number in range(3):
        await put(clients.admin, patient("ann", multipleBirthInteger=number))
    await put(clients.admin, observation("o", "ann"))
    await clients.admin.delete("Patient/joe")

    expected = [("Patient/joe", "-")] + [("Patient/ann", str(one)) for one in (4, 3, 2)]
    assert (await versions(clients.admin, "Patient/_history?_count=2"))[:4] == expected
    assert len(await versions(clients.admin, "Patient/_history")) == 6
    everything = await versions(clients.admin, "_history?_count=3")
    assert everything == await versions(clients.admin, "_history")
    assert ("Observation/o", "1") in everything
    assert ("CareTeam/team-ann", "1") in everything


async def test_since_and_at(clients: Clients) -> None:
    moments: list[str] = []
    for number in range(3):
        answer = await put(clients.admin, patient("ann", multipleBirthInteger=number))
        moments.append(answer.json()["meta"]["lastUpdated"])
        await asyncio.sleep(0.02)
    await clients.admin.delete("Patient/ann")
    between = (datetime.fromisoformat(moments[1]) + timedelta(milliseconds=5)).isoformat()

    for url in ("Patient/ann/_history", "Patient/_history", "_history"):
        since = await versions(clients.admin, f"{url}?_since={moments[2]}")
        assert [one for one in since if one[0] == "Patient/ann"] == [
            ("Patient/ann", "-"),
            ("Patient/ann", "4"),
        ]
        at = await clients.admin.get(url, params={"_at": between})
        shown = [one for one in at.json()["entry"] if one["fullUrl"].endswith("Patient/ann")]
        assert [one["resource"]["meta"]["versionId"] for one in shown] == ["3"]
    future = await versions(clients.admin, "Patient/_history?_since=2999-01-01T00:00:00Z")
    assert future == []


async def test_what_history_does_not_understand_it_refuses(clients: Clients) -> None:
    for query in ("_since=yesterday", "_count=0", "_cursor=forged", "name=x", "_at=2020&_at=2021"):
        for url in ("Patient/ann/_history", "Patient/_history", "_history"):
            answer = await clients.admin.get(f"{url}?{query}")
            assert answer.status_code == 400, (url, query)
    assert (await clients.admin.post("_history")).status_code == 405


async def test_a_cursor_is_its_callers(clients: Clients) -> None:
    bundle = (await clients.admin.get("Observation/_history?_count=1")).json()
    assert [one["relation"] for one in bundle["link"]] == ["self"]
    for number in range(3):
        await put(clients.admin, observation(f"o{number}", "ann"))
    bundle = (await clients.admin.get("Observation/_history?_count=1")).json()
    url = next(one["url"] for one in bundle["link"] if one["relation"] == "next")

    assert (await clients.admin.get(url)).status_code == 200
    assert (await clients.nurse.get(url)).status_code == 400
    other = url.replace("Observation/_history", "Patient/_history")
    assert (await clients.admin.get(other)).status_code == 400


async def test_callers_meet_only_their_patients(clients: Clients) -> None:
    await put(clients.admin, observation("anns", "ann"))
    await put(clients.admin, observation("joes", "joe"))
    await clients.admin.delete("Observation/joes")
    await clients.admin.delete("Observation/anns")

    for client in (clients.nurse, clients.partner, clients.patient):
        for url in ("Observation/_history", "_history", "Patient/_history", "CareTeam/_history"):
            seen = await versions(client, url)
            assert not [one for one in seen if one[0].endswith(("joes", "/joe", "-joe"))], url
        own = await versions(client, "Observation/_history")
        assert own == [("Observation/anns", "-"), ("Observation/anns", "1")]
    assert (await clients.partner.get("Person/_history")).status_code == 403
    assert (await clients.nobody.get("_history")).status_code == 401


async def test_nothing_committed_late_is_skipped(clients: Clients) -> None:
    """Readers that follow the history by its newest time, while others write, see every version once they are done."""
    seen: set[Version] = set()
    writing = True

    async def write(name: str) -> None:
        for number in range(12):
            await put(clients.admin, patient(name, multipleBirthInteger=number))

    async def follow() -> None:
        since = "2000-01-01T00:00:00Z"
        last_round = False
        while True:
            bundle = (
                await clients.admin.get("Patient/_history", params={"_since": since, "_count": 500})
            ).json()
            for entry in bundle.get("entry", ()):
                resource = entry["resource"]
                seen.add((resource["id"], resource["meta"]["versionId"]))
                since = max(since, resource["meta"]["lastUpdated"])
            if last_round:
                return
            last_round = not writing

    following = asyncio.create_task(follow())
    await asyncio.gather(*(write(f"writer-{number}") for number in range(6)))
    writing = False
    await following

    expected = {(f"writer-{one}", str(two)) for one in range(6) for two in range(1, 13)}
    assert expected <= seen
