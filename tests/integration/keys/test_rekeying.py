"""The index is keyed anew while searches go on: nothing is missed, and nothing of the old key is left."""

from typing import Any

import pytest

from fhirserver.store.record import Record
from fhirserver.store.reindex import Reindex
from tests.conftest import Database
from tests.integration.keys.conftest import asked, found, patient, put, run, weight

SEARCHES: tuple[tuple[str, str, set[str]], ...] = (
    ("Patient", "family=be", {"ann", "p0", "p1", "p2"}),
    ("Patient", "name=ann", {"ann", "bea", "p0", "p1", "p2"}),
    ("Patient", "family:contains=und", {"bea"}),
    ("Patient", "birthdate=1961", {"ann", "bea", "p0", "p1", "p2"}),
    ("Patient", "birthdate=lt1961-04-07", set()),
    ("Patient", "gender=female&family=lund", {"bea"}),
    ("Patient", "gender:not=female", set()),
    ("Patient", "gender:missing=true", set()),
    ("Observation", "code=29463-7", {"w"}),
    ("Observation", "patient=ann&code=29463-7", {"w"}),
    ("Observation", "subject:Patient.family=berg", {"w"}),
    ("Patient", "_has:Observation:patient:code=29463-7", {"ann"}),
)


async def _everything_is_found(record: Record) -> None:
    for type_, text, ids in SEARCHES:
        assert await found(record, type_, text) == ids, text


@pytest.fixture
async def clinic(record: Record) -> Record:
    await put(record, patient("ann", "Berg"), patient("bea", "Lund"), weight("w", "ann", 70))
    await put(record, *(patient(f"p{one}", "Berger") for one in range(3)))
    return record


async def test_the_index_is_keyed_anew(clinic: Record, other: Record, database: Database) -> None:
    await _everything_is_found(other)
    old = {key for (keys,) in asked(database, "SELECT keys FROM resource") for key in keys}
    told = await run(clinic, "rekey", b"{}")
    assert told == {"version": 2, "left": 0}
    assert asked(database, "SELECT DISTINCT keys_version FROM resource") == [(2,)]
    assert asked(database, "SELECT version FROM tenant_key WHERE purpose = 'index'") == [(2,)]
    new = {key for (keys,) in asked(database, "SELECT keys FROM resource") for key in keys}
    # What is left are links: they name what stands in the clear beside them.
    link = (await clinic._read.keys.tenant(1)).blind
    assert new & old == {
        link.reference("Observation", param, "Patient/ann") for param in ("subject",)
    }
    await _everything_is_found(clinic)
    await other._read.keys.refresh()
    await _everything_is_found(other)


async def test_searches_find_both_versions_meanwhile_and_a_dead_worker_is_followed(
    clinic: Record, other: Record, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhirserver.store.reindex.BATCH", 2)
    batches = 0
    batch = Reindex._batch

    async def half(self: Reindex, *args: Any) -> Any:
        nonlocal batches
        batches += 1
        if batches == 3:
            versions = asked(database, "SELECT DISTINCT keys_version FROM resource ORDER BY 1")
            assert versions == [(1,), (2,)]
            await other._read.keys.refresh()
            await _everything_is_found(other)
            await _everything_is_found(clinic)
            raise RuntimeError("the process is gone")
        return await batch(self, *args)

    monkeypatch.setattr(Reindex, "_batch", half)
    told = await run(clinic, "rekey", b"{}")
    assert batches > 3
    assert told == {"version": 2, "left": 0}
    await _everything_is_found(clinic)


async def test_values_that_many_share_have_several_keys(record: Record, database: Database) -> None:
    people = [patient(f"p{one:03}", "Zzyzx" if one % 2 else "Qwop") for one in range(120)]
    await put(record, *people)
    odd = {one["id"] for one in people[1::2]}
    assert await found(record, "Patient", "family=zzyzx&_count=200") == odd

    def on_one_key() -> int:
        ((most,),) = asked(
            database,
            "SELECT max(n) FROM (SELECT count(*) n FROM resource, unnest(keys) k WHERE k NOT IN "
            "(SELECT k FROM resource, unnest(keys) k GROUP BY k HAVING count(*) = 120) GROUP BY k) t",
        )
        return int(most)

    # The name is on no list: before it was counted, half of the people share its key.
    assert on_one_key() >= 60
    assert (await run(record, "rekey", b"{}"))["left"] == 0
    assert on_one_key() < 20
    assert await found(record, "Patient", "family=zzyzx&_count=200") == odd
    assert await found(record, "Patient", "family:contains=zyz&_count=200") == odd
