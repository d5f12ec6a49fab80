"""$reindex: keys, times and ranges made anew for every row, those of device readings among them, while others write."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from fhirserver import definitions
from fhirserver.kernel.jobs import Running
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.store import reindex
from fhirserver.store.record import Record
from fhirserver.store.reindex import Reindex
from tests.integration.jobs.conftest import ADMIN, Clock, enable_nothing, worker
from tests.integration.jobs.home import Home, rows

INDEX = "SELECT id, keys, time, time_end, version, content FROM resource ORDER BY id"
RANGES = "SELECT id, param, lo, hi FROM resource_range ORDER BY id, param, lo, hi"


@pytest.fixture
async def home(record: Record, clock: Clock) -> Home:
    home = Home(record, clock)
    await home.furnish()
    for minute in range(3):
        await home.measure(datetime(2026, 8, 1, 9, minute, tzinfo=UTC))
    async with record.transaction(1) as tx:
        weight: Json = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
            "subject": {"reference": "Patient/ann"},
            "effectiveDateTime": "2026-08-01",
            "valueQuantity": {"value": 71, "system": "http://unitsofmeasure.org", "code": "kg"},
        }
        await tx.put(weight)
    return home


def work(record: Record, **changes: Any) -> Reindex:
    parts = record._work
    return Reindex(
        record.work,
        parts.keys,
        changes.get("definitions_of", parts.definitions_of),
        changes.get("enable", enable_nothing),
        lag_seconds=0,
    )


async def run(record: Record, types: list[str] | None = None, **changes: Any) -> Json:
    request = orjson.dumps({"types": types})
    id_ = await record.jobs.submit(1, "reindex", request, ADMIN.principal)
    await worker(
        record, upkeep={"reindex": changes.get("work") or work(record, **changes)}
    ).run_due()
    status = await record.jobs.status(1, id_, ADMIN)
    assert status is not None
    assert status.state == "done", status
    found = orjson.loads(status.outcome or b"{}")["parameter"]
    return {one["name"]: one.get("valueDecimal", one.get("valueUri")) for one in found}


async def damage(record: Record) -> None:
    async with record.work(1) as tx:
        await tx.execute("UPDATE resource SET keys = '{1}', time = NULL, time_end = NULL")
        await tx.execute("DELETE FROM resource_range")


async def test_what_was_lost_is_restored_and_contents_stay(home: Home) -> None:
    index, ranges = await rows(home.record, INDEX), await rows(home.record, RANGES)
    await damage(home.record)

    told = await run(home.record)

    assert await rows(home.record, INDEX) == index
    assert await rows(home.record, RANGES) == ranges
    assert len(ranges) >= 7, "device readings have ranges too"
    assert told["read"] == told["changed"] == len(index)


async def test_rows_that_are_right_are_not_touched(home: Home) -> None:
    before = await rows(home.record, "SELECT id, ctid::text, xmin::text FROM resource ORDER BY id")

    told = await run(home.record)

    assert told["changed"] == 0
    after = await rows(home.record, "SELECT id, ctid::text, xmin::text FROM resource ORDER BY id")
    assert after == before


async def test_types_can_be_named(home: Home) -> None:
    await damage(home.record)

    await run(home.record, ["Patient"])

    number = definitions.load().type_number("Patient")
    wrong = await rows(
        home.record, "SELECT DISTINCT type = %s FROM resource WHERE keys = '{1}'", number
    )
    assert wrong == [(False,)]


async def test_it_goes_on_where_a_dead_worker_stopped(
    home: Home, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex, "BATCH", 2)
    index, ranges = await rows(home.record, INDEX), await rows(home.record, RANGES)
    await damage(home.record)
    good = work(home.record)
    calls: list[Running] = []

    class Killed(BaseException):
        """What kill -9 looks like from inside: nothing more is done."""

    class Mortal:
        """A job whose worker dies after three batches."""

        def __init__(self, job: Running) -> None:
            self._job = job

        def __getattr__(self, name: str) -> Any:
            return getattr(self._job, name)

        async def advance(self, *told: Any) -> None:
            await self._job.advance(*told)
            calls.append(self._job)
            if len(calls) == 3:
                raise Killed

    async def mortal(job: Running) -> bytes:
        return await good(Mortal(job))

    await home.record.jobs.submit(1, "reindex", orjson.dumps({"types": None}), ADMIN.principal)
    with pytest.raises(Killed):
        await worker(home.record, upkeep={"reindex": mortal}).run_due()
    clock.later(minutes=1)
    started: list[bytes] = []

    async def successor(job: Running) -> bytes:
        started.append(job.saved)
        return await good(job)

    assert await worker(home.record, upkeep={"reindex": successor}).run_due() == 1

    assert b'"read":' in started[0]
    assert await rows(home.record, INDEX) == index
    assert await rows(home.record, RANGES) == ranges


async def test_a_row_written_meanwhile_is_left_as_it_was_written(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await damage(home.record)
    found = reindex.Reindex._correct
    done: list[bool] = []

    async def overtaken(self: Reindex, tx: Transaction, *rest: Any) -> int:
        if not done:
            done.append(True)
            async with home.record.transaction(1) as other:
                await other.put({"resourceType": "Patient", "gender": "female"}, id_="ann")
        return await found(self, tx, *rest)

    monkeypatch.setattr(reindex.Reindex, "_correct", overtaken)

    await run(home.record, ["Patient"])

    stored = await home.record.read(ADMIN, "Patient", "ann")
    assert stored.version == 2
    assert orjson.loads(stored.content)["gender"] == "female"
    keys = (await rows(home.record, "SELECT keys FROM resource WHERE fhir_id = 'ann'"))[0][0]
    assert keys != [1]


async def test_a_custom_parameter_may_be_searched_when_everything_was_gone_through(
    home: Home,
) -> None:
    base = definitions.load()
    parameter: Json = {
        "resourceType": "SearchParameter",
        "url": "https://example.org/SearchParameter/patient-kin",
        "name": "kin",
        "status": "active",
        "description": "Relatives by name",
        "code": "kin",
        "base": ["Patient"],
        "type": "string",
        "expression": "Patient.contact.name.family",
    }
    extended = base.extended([parameter], frozenset())
    pending = dict(extended.pending_parameters())
    assert list(pending) == [parameter["url"]]
    enabled: list[dict[str, str]] = []

    async def enable(_tx: Transaction, parameters: Any) -> None:
        enabled.append(dict(parameters))

    async with home.record.transaction(1) as tx:
        kin = {"resourceType": "Patient", "contact": [{"name": {"family": "Smith"}}]}
        await tx.put(kin, id_="joe")
    before = (await rows(home.record, "SELECT keys FROM resource WHERE fhir_id = 'joe'"))[0][0]

    partly = await run(
        home.record, ["Device"], definitions_of=lambda _tenant: extended, enable=enable
    )
    assert "enabled" not in partly
    told = await run(home.record, definitions_of=lambda _tenant: extended, enable=enable)

    assert enabled == [pending]
    assert told["enabled"] == parameter["url"]
    after = (await rows(home.record, "SELECT keys FROM resource WHERE fhir_id = 'joe'"))[0][0]
    assert set(after) - set(before)
