"""$expunge as a job: what was deleted or replaced goes for good, and no evidence with it."""

from typing import Any

import orjson
import pytest

from fhirserver.kernel.errors import Gone, NotFound
from fhirserver.kernel.resource import Json
from fhirserver.store.expunge import Expunge
from fhirserver.store.record import Record
from tests.integration.jobs.conftest import ADMIN, Clock, worker
from tests.integration.jobs.home import Home
from tests.integration.jobs.test_retention import JUNE, flag, put, readings, without_owner


async def expunge(record: Record, **asked: Any) -> int:
    request = {
        "type": None,
        "id": None,
        "deleted": False,
        "previous": False,
        "limit": 1000,
        **asked,
    }
    id_ = await record.jobs.submit(1, "expunge", orjson.dumps(request), ADMIN.principal)
    work = Expunge(record.work, record._work.keys, record._work.definitions_of)
    await worker(record, upkeep={"expunge": work}).run_due()
    status = await record.jobs.status(1, id_, ADMIN)
    assert status is not None
    assert status.state == "done", status
    return int(orjson.loads(status.outcome or b"")["parameter"][0]["valueInteger"])


@pytest.fixture
async def home(record: Record, clock: Clock) -> Home:
    clock.now = JUNE
    home = Home(record, clock)
    await home.furnish()
    for number in range(3):
        patient: Json = {"resourceType": "Patient", "multipleBirthInteger": number}
        for id_ in ("joe", "zoe", "amy"):
            await put(record, patient, id_)
    async with record.transaction(1) as tx:
        await tx.delete("Patient", "joe")
        await tx.delete("Patient", "zoe")
    return home


async def versions(record: Record, id_: str) -> list[int]:
    found = []
    for version in range(1, 6):
        try:
            found.append((await record.vread(ADMIN, "Patient", id_, version)).version)
        except (NotFound, Gone):
            continue
    return found


async def test_deleted_resources_go_with_their_history(home: Home) -> None:
    assert await expunge(home.record, type="Patient", deleted=True) == 2

    with pytest.raises(NotFound):
        await home.record.read(ADMIN, "Patient", "joe")
    assert await versions(home.record, "joe") == []
    assert await versions(home.record, "amy") == [1, 2, 3]
    assert await without_owner(home.record) == 0
    assert await put(home.record, {"resourceType": "Patient"}, "joe") == "joe"
    assert (await home.record.read(ADMIN, "Patient", "joe")).version == 1


async def test_previous_versions_go_and_the_current_one_stays(home: Home) -> None:
    assert await expunge(home.record, previous=True) >= 2

    assert await versions(home.record, "amy") == [3]
    assert await versions(home.record, "joe") == [1, 2, 3], "that is a deleted one's"


async def test_one_resource_and_a_limit_can_be_named(home: Home) -> None:
    assert await expunge(home.record, type="Patient", id="zoe", deleted=True, previous=True) == 1
    assert await versions(home.record, "joe") == [1, 2, 3]
    assert await expunge(home.record, type="Patient", id="nobody", deleted=True) == 0
    assert await expunge(home.record, type="Patient", previous=True, limit=1) == 1
    assert await versions(home.record, "amy") == [2, 3]


async def test_evidence_is_passed_over(home: Home) -> None:
    await home.measure(JUNE)
    held, free = sorted(await readings(home.record))
    await put(home.record, flag("Patient/ann", "2026-06-10T10:00:00Z", None))
    alarm = await put(home.record, flag("Patient/joe", "2026-06-10T10:00:00Z", None))
    async with home.record.transaction(1) as tx:
        await tx.delete("Observation", held)
        await tx.delete("Flag", alarm)

    await expunge(home.record, deleted=True, previous=True)

    assert set(await readings(home.record)) == {held, free}
    for type_, id_ in (("Observation", held), ("Flag", alarm)):
        assert (await home.record.vread(ADMIN, type_, id_, 1)).version == 1
        with pytest.raises(Gone):
            await home.record.read(ADMIN, type_, id_)
