"""The index looks after itself: what many share is spread anew without anybody asking, while searches go on."""

import json
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from fhirserver.store import key_upkeep, spreading
from fhirserver.store.frequencies import Counting
from fhirserver.store.record import Record
from fhirserver.store.reindex import Reindex
from tests.conftest import Database
from tests.integration.keys.conftest import (
    ADMIN,
    asked,
    enable_nothing,
    found,
    patient,
    put,
    run,
    weight,
)

PEOPLE = 120
SHARED = frozenset(f"p{one:03}" for one in range(1, PEOPLE, 2))


async def _settle(record: Record) -> None:
    """Run what is due."""
    await record.job_worker({}, enable_nothing).run_due()


async def _look(record: Record) -> Mapping[str, Any]:
    """Run a look at the index and return what it says."""
    return await run(record, spreading.KIND, b'{"share": 1.0}')


def _versions(database: Database, type_: str) -> set[int]:
    number = {"Patient": "%Patient%", "Observation": "%Observation%"}[type_]
    rows = asked(
        database,
        "SELECT DISTINCT r.keys_version FROM resource r JOIN pg_class c ON c.oid = r.tableoid "
        "WHERE c.relname ILIKE %s",
        (number,),
    )
    return {row[0] for row in rows}


def _keys(database: Database, id_: str) -> set[int]:
    ((keys,),) = asked(database, "SELECT keys FROM resource WHERE fhir_id = %s", (id_,))
    return set(keys)


def _most_shared(database: Database) -> int:
    """Return how many people the key of most people but of all has."""
    ((most,),) = asked(
        database,
        "SELECT max(n) FROM (SELECT count(*) n FROM resource, unnest(keys) k GROUP BY k) t WHERE n < %s",
        (PEOPLE,),
    )
    return int(most)


async def _everything_is_found(record: Record) -> None:
    for text, ids in (
        ("family=zzyzx", SHARED),
        ("family=zz", SHARED),
        ("family:contains=zyz", SHARED),
        ("name=zzyzx&birthdate=1961-04", SHARED),
        ("family:exact=Zzyzx&gender=female", SHARED),
    ):
        assert await found(record, "Patient", f"{text}&_count=200") == SHARED == ids, text
    assert await found(record, "Observation", "patient=p001&code=29463-7") == {"w"}
    assert await found(record, "Observation", "subject:Patient.family=zzyzx") == {"w"}
    assert await found(record, "Patient", "_has:Observation:patient:code=29463-7") == {"p001"}


@pytest.fixture
async def clinic(record: Record) -> Record:
    """Half of the people share a name that is on no list of names."""
    people = [
        patient(f"p{one:03}", "Zzyzx" if one % 2 else f"Own{one:03}") for one in range(PEOPLE)
    ]
    await put(record, *people, weight("w", "p001", 70))
    return record


async def test_what_many_share_is_spread_without_anybody_asking(
    clinic: Record, other: Record, database: Database
) -> None:
    assert _most_shared(database) >= PEOPLE / 2
    before = _keys(database, "w")
    with capture_logs() as logs:
        await clinic.tend_keys("on")
        await _settle(clinic)
    assert _most_shared(database) < PEOPLE / 6
    assert _versions(database, "Patient") == {2}
    assert asked(database, "SELECT version FROM tenant_key WHERE purpose = 'index'") == [(2,)]
    # Nothing else was touched: readings come by the million, and their keys are what they were.
    assert _versions(database, "Observation") == {1}
    assert _keys(database, "w") == before
    await _everything_is_found(clinic)
    await other._read.keys.refresh()
    await _everything_is_found(other)
    # What is written now is found beside what was there before, and so on both sides.
    await put(other, patient("p121", "Zzyzx"), weight("w2", "p001", 71))
    assert await found(clinic, "Patient", "family=zzyzx&_count=200") == {*SHARED, "p121"}
    assert await found(clinic, "Observation", "code=29463-7") == {"w", "w2"}
    # Whoever reads the log learns of columns, not of people.
    told = [line for line in logs if line["event"].startswith("index spread")]
    assert [line["event"] for line in told] == ["index spread anew", "index spread"]
    assert "zzyzx" not in json.dumps(logs, default=str).lower()


async def test_it_is_looked_at_again_and_nothing_is_found_to_do(
    clinic: Record, database: Database
) -> None:
    first = await _look(clinic)
    assert first["spread"] is True
    assert first["left"] == 0
    assert first["percent"] > 100 * spreading.ALLOWED
    second = await _look(clinic)
    assert second["spread"] is False
    assert second["percent"] <= 100 * spreading.ALLOWED
    assert _versions(database, "Patient") == {2}


async def test_a_few_people_are_left_alone(record: Record, database: Database) -> None:
    await put(record, *(patient(f"p{one}", "Zzyzx") for one in range(spreading.FEWEST - 1)))
    told = await _look(record)
    assert told == {"column": "", "percent": 0, "spread": False}
    await put(record, patient("one-more", "Zzyzx"))
    assert (await _look(record))["spread"] is True


async def test_it_grows_and_is_spread_anew(clinic: Record, database: Database) -> None:
    await _look(clinic)
    # People of a name that nobody had when values were counted.
    await put(clinic, *(patient(f"n{one:03}", "Qwopper") for one in range(PEOPLE)))
    assert (await _look(clinic))["spread"] is True
    assert _versions(database, "Patient") == {3}
    assert _versions(database, "Observation") == {1}
    await _everything_is_found(clinic)
    assert len(await found(clinic, "Patient", "family=qwop&_count=200")) == PEOPLE
    # The whole index under a new key, which takes the readings along.
    assert (await run(clinic, "rekey", b"{}")) == {"version": 4, "left": 0}
    assert _versions(database, "Patient") == _versions(database, "Observation") == {4}
    await _everything_is_found(clinic)
    assert (await _look(clinic))["spread"] is False


async def test_searches_find_both_versions_meanwhile_and_a_dead_worker_is_followed(
    clinic: Record, other: Record, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhirserver.store.reindex.BATCH", 50)
    batches = 0
    batch = Reindex._batch

    async def half(self: Reindex, *args: Any) -> Any:
        nonlocal batches
        batches += 1
        if batches == 2:
            assert _versions(database, "Patient") == {1, 2}
            census = await other.key_census(1)
            assert [(version, behind) for version, _, behind in census.indexed] == [(1, 70), (2, 0)]
            assert census.jobs == [("spread", 50, PEOPLE)]
            await other._read.keys.refresh()
            await _everything_is_found(other)
            await _everything_is_found(clinic)
            raise RuntimeError("the process is gone")
        return await batch(self, *args)

    monkeypatch.setattr(Reindex, "_batch", half)
    told = await _look(clinic)
    assert batches > 2
    assert (told["version"], told["left"]) == (2, 0)
    assert _versions(database, "Patient") == {2}
    await _everything_is_found(clinic)


async def test_what_was_broken_off_is_finished_by_the_next_look(
    clinic: Record, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(self: Reindex, *_: Any) -> Any:
        raise RuntimeError("the process is gone")

    with monkeypatch.context() as patched:
        patched.setattr(Reindex, "_batch", never)
        id_ = await clinic.jobs.submit(1, "spread", b'{"share": 1.0}', ADMIN.principal)
        await _settle(clinic)
    status = await clinic.jobs.status(1, id_, ADMIN)
    assert status is not None
    assert status.state == "failed"
    # The index is of two versions now: still everything is found, and the next look sees to it.
    await _everything_is_found(clinic)
    told = await _look(clinic)
    assert (told["spread"], told["left"]) == (True, 0)
    assert asked(database, "SELECT version FROM tenant_key WHERE purpose = 'index'") == [(3,)]
    await _everything_is_found(clinic)


async def test_one_look_at_a_time_and_not_again_at_once(
    clinic: Record, other: Record, database: Database
) -> None:
    def looks() -> list[tuple[str]]:
        return asked(database, "SELECT state FROM job WHERE kind = 'spread'")

    await clinic.tend_keys("off")
    assert looks() == []
    await clinic.tend_keys("on")
    await other.tend_keys("on")
    assert looks() == [("waiting",)]
    await _settle(clinic)
    await other.tend_keys("on")
    assert looks() == [("done",)]
    # Later there is another; what the one before found is not kept.
    longer = key_upkeep.EVERY.total_seconds() + 1
    asked(
        database,
        "UPDATE job SET finished = finished - make_interval(secs => %s) RETURNING 1",
        (longer,),
    )
    await other.tend_keys("on")
    assert looks() == [("waiting",)]


async def test_retired_data_keys_go_once_nothing_hangs_on_them(
    record: Record, database: Database
) -> None:
    def retired() -> set[int]:
        return {
            row[0]
            for row in asked(database, "SELECT key_id FROM data_key WHERE retired IS NOT NULL")
        }

    await put(record, patient("ann", "Berg"), patient("bea", "Lund"))
    for one in ("ann", "bea"):
        await run(record, "rotate", json.dumps({"key": "patient", "patient": one}).encode())
    assert len(retired()) == 2
    # A day has not passed.
    await record.tend_keys("off")
    await _settle(record)
    assert len(retired()) == 2
    asked(
        database,
        "UPDATE data_key SET retired = retired - interval '2 days' WHERE retired IS NOT NULL RETURNING 1",
    )
    # A row that still hangs on one of them, as a restored one might: whose key it is stays.
    (key,) = asked(
        database,
        "UPDATE resource r SET key_id = d.key_id FROM data_key d WHERE r.fhir_id = 'ann' AND d.bucket = r.bucket "
        "AND d.patient = r.patient AND d.retired IS NOT NULL RETURNING d.key_id",
    )[0]
    await record.tend_keys("off")
    await _settle(record)
    assert retired() == {key}
    assert b"Lund" in (await record.read(ADMIN, "Patient", "bea")).content
    census = await record.key_census(1)
    assert (census.retired, census.left) == (1, 1)


async def test_a_sample_of_many_rows_is_a_part_of_them(
    clinic: Record, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(clinic.work, clinic._work.keys, clinic._definitions_of)
    whole = await counting.sample(1, "Patient")
    assert whole.rows == PEOPLE
    assert whole.counts["Patient|family|pzzyzx"] == len(SHARED)
    # Statistics, by which it is known how many there are.
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("ANALYZE")
    monkeypatch.setattr("fhirserver.store.frequencies.SAMPLED", 10)
    part = await counting.sample(1, "Patient")
    assert part.rows <= 20
    assert all(count <= part.rows for count in part.counts.values())
    assert part.counts.keys() <= whole.counts.keys()
    assert (await counting.sample(1, "Procedure")).rows == 0
