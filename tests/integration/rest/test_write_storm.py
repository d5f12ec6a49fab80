"""Everything at once on few resources: no 5xx, no lost update, no version twice."""

import asyncio
import random
from collections import Counter, defaultdict
from typing import Any

import httpx

from tests.integration.rest.conftest import BASE, JSON, Clients, observation, patient, put

FHIR = {"content-type": JSON}
NAMES = tuple(f"storm-{number}" for number in range(6))
WRITERS = 10
ROUNDS = 25


class Ledger:
    """What every writer was told: which version of what it wrote."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.versions: dict[str, list[int]] = defaultdict(list)

    def note(self, name: str, answer: httpx.Response) -> None:
        self.statuses[answer.status_code] += 1
        if answer.status_code in (200, 201, 204) and "etag" in answer.headers:
            self.versions[name].append(int(answer.headers["etag"][3:-1]))

    def note_bundle(self, names: list[str], answer: httpx.Response) -> None:
        self.statuses[answer.status_code] += 1
        if answer.status_code == 200:
            for name, entry in zip(names, answer.json()["entry"], strict=True):
                if "etag" in entry["response"]:
                    self.versions[name].append(int(entry["response"]["etag"][3:-1]))


async def write(client: httpx.AsyncClient, ledger: Ledger, chance: random.Random) -> None:
    name = chance.choice(NAMES)
    url = f"Patient/{name}"
    match chance.randrange(6):
        case 0:
            ledger.note(name, await client.delete(url))
        case 1:
            change = {"multipleBirthInteger": chance.randrange(100)}
            headers = {"content-type": "application/merge-patch+json"}
            ledger.note(name, await client.patch(url, json=change, headers=headers))
        case 2:
            names = chance.sample(NAMES, 3)
            entries: list[dict[str, Any]] = [
                {
                    "resource": patient(one, active=chance.random() < 0.5),
                    "request": {"method": "PUT", "url": f"Patient/{one}"},
                }
                for one in names[:2]
            ]
            entries.append({"request": {"method": "DELETE", "url": f"Patient/{names[2]}"}})
            body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            ledger.note_bundle(names, await client.post(BASE, json=body, headers=FHIR))
        case 3:
            current = await client.get(url)
            if current.status_code == 200:
                headers = {**FHIR, "if-match": current.headers["etag"]}
                answer = await client.put(url, json=patient(name, active=True), headers=headers)
                ledger.note(name, answer)
        case _:
            ledger.note(name, await put(client, patient(name, gender="other")))


async def test_a_storm_of_writes(clients: Clients) -> None:
    ledger = Ledger()

    async def writer(number: int) -> None:
        chance = random.Random(number)
        for _ in range(ROUNDS):
            await write(clients.admin, ledger, chance)

    await asyncio.gather(*map(writer, range(WRITERS)))

    assert set(ledger.statuses) <= {200, 201, 204, 404, 410, 412}, ledger.statuses
    for name in NAMES:
        told = ledger.versions[name]
        # Every version was given to one writer alone, and every one of them is in the history.
        assert sorted(told) == list(range(1, len(told) + 1)), (name, Counter(told).most_common(3))
        history = (await clients.admin.get(f"Patient/{name}/_history?_count=500")).json()
        assert len(history["entry"]) == len(told)


async def test_every_increment_counts(clients: Clients) -> None:
    """Optimistic writers that try again until they win: what they add up is not lost."""
    await put(clients.admin, patient("sum", multipleBirthInteger=0))

    async def increment() -> None:
        while True:
            current = await clients.admin.get("Patient/sum")
            number = current.json()["multipleBirthInteger"]
            answer = await clients.admin.put(
                "Patient/sum",
                json=patient("sum", multipleBirthInteger=number + 1),
                headers={**FHIR, "if-match": current.headers["etag"]},
            )
            if answer.status_code == 200:
                return
            assert answer.status_code == 412

    await asyncio.gather(*(increment() for _ in range(20)))

    assert (await clients.admin.get("Patient/sum")).json()["multipleBirthInteger"] == 20


async def test_an_id_taken_meanwhile_for_another_patient_is_not_overwritten(
    clients: Clients,
) -> None:
    """The nurse may write for Ann alone: whoever comes first, she never writes over what became Joe's."""
    for number in range(12):
        own, others = observation(f"o{number}", "ann"), observation(f"o{number}", "joe")
        nurses, admins = await asyncio.gather(put(clients.nurse, own), put(clients.admin, others))

        assert (nurses.status_code, admins.status_code) in {(201, 200), (404, 201)}
        stored = (await clients.admin.get(f"Observation/o{number}")).json()
        assert stored["subject"]["reference"] == "Patient/joe"
