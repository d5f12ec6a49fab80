"""Searches by values that are spread over several keys look at few rows: before the index was spread to measure and after."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from fhirserver.kernel.principal import Access, Principal
from fhirserver.store.caller import SET_CALLER
from fhirserver.store.record import Record
from fhirserver.store.search import pages, session, statement
from fhirserver.store.search.rounds import Statement
from tests.conftest import Database
from tests.integration.search.conftest import DEFINITIONS, asked, ids
from tests.oracles.population import Population

PEOPLE = 600
ADMIN = Access(Principal(1, "admin", ""), everything=True)

# A search, and how many rows its first page may take from tables and indexes, twice what it takes.
SEARCHES: Mapping[tuple[str, str], int] = {
    ("Patient", "family=smith"): 60,
    ("Patient", "family=s"): 250,
    ("Patient", "name=jo"): 250,
    ("Patient", "family=smith&birthdate=1961"): 60,
    ("Patient", "family=smith&gender=female"): 60,
    ("Patient", "name:contains=mith"): 60,
    ("Patient", "family:contains=son"): 250,
    ("Patient", "family:contains=williamson"): 30,
    ("Patient", "address-city=Town003"): 250,
    ("Patient", "address-city=Town333"): 60,
    ("Patient", "address-postalcode=10111"): 250,
    ("Patient", "birthdate=1961-04-07"): 20,
    ("Patient", "birthdate=1961-04"): 20,
    ("Patient", "birthdate=1961"): 60,
    ("Patient", "birthdate=ge1960&birthdate=lt1970"): 600,
    ("Condition", "code=B20"): 60,
    ("Condition", "patient=p7&code=N18.6"): 30,
}


@dataclass(frozen=True)
class Cost:
    """What the first page of a search took: rows from tables and indexes, whether all plans are kept ones, statements."""

    rows: float
    kept: bool
    statements: int


async def _filled(record: Record) -> None:
    population = Population(1)
    for first in range(0, PEOPLE, 200):
        async with record.transaction(1) as tx:
            for number in range(first, first + 200):
                for one in (population.patient(number), population.condition(number)):
                    await tx.put(one, id_=one["id"])


async def _analysed(record: Record, database: Database) -> None:
    async with await psycopg.AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await connection.execute("VACUUM ANALYZE")
    record._searches._common._asked = None


async def _cost(record: Record, database: Database, access: Access, type_: str, text: str) -> Cost:
    own = await record._read.keys.tenant(1)
    searches = record._searches
    found = session.Session(
        record._reader, record._read, access, DEFINITIONS, own.blinds, await searches._common.known(), searches._rounds
    )  # fmt: skip
    planned = await statement.plan(found, asked(type_, text))
    limit = 21 if planned.exact else 42
    await pages._next_rows(found, planned, None, limit)
    plans = [await _plan(database, record, access, one) for one in found.ran]
    return Cost(
        sum(_looked_at(one["Plan"]) for one in plans),
        all(one.settled for one in found.ran),
        len(plans),
    )


async def _plan(
    database: Database, record: Record, access: Access, one: Statement
) -> dict[str, Any]:
    """Run a statement as a search does, and return how it ran."""
    caller = await record._reader.settings(access)
    async with await psycopg.AsyncConnection.connect(database.dsn) as connection:
        cursor = psycopg.AsyncClientCursor(connection)
        await cursor.execute("SET ROLE fhir_read")
        await cursor.execute(SET_CALLER, caller)
        if one.settled:
            for name in ("enable_seqscan", "enable_sort"):
                await cursor.execute("SELECT set_config(%s, 'off', true)", (name,))
            await cursor.execute("SET plan_cache_mode = force_generic_plan")
        numbers = iter(range(1, one.sql.count("%s") + 1))
        text = re.sub("%s", lambda _: f"${next(numbers)}", one.sql)
        await connection.execute(f"PREPARE kept AS {text}".encode())
        values = ", ".join(["%s"] * len(one.args))
        called = f"kept({values})" if one.args else "kept"
        await cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {called}".encode(), one.args)
        row = await cursor.fetchone()
    assert row is not None
    return dict(row[0][0])


def _looked_at(plan: Mapping[str, Any]) -> float:
    own = 0.0
    if "Relation Name" in plan or "Index Name" in plan:
        own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return own + sum(_looked_at(inner) for inner in plan.get("Plans", ()))


async def _spread(record: Record) -> None:
    async def enable_nothing(*_: Any) -> None: ...

    id_ = await record.jobs.submit(1, "spread", b'{"share": 1.0}', ADMIN.principal)
    await record.job_worker({}, enable_nothing).run_due()
    done = await record.jobs.status(1, id_, ADMIN)
    assert done is not None
    assert done.state == "done"
    await record._read.keys.refresh()
    assert [one.version for one in (await record._read.keys.tenant(1)).blinds] == [2]


async def test_searches_cost_and_find_the_same_before_and_after(
    record: Record, database: Database, subtests: pytest.Subtests
) -> None:
    await _filled(record)
    await _analysed(record, database)
    before = {one: await ids(record, ADMIN, *one) for one in SEARCHES}
    assert sum(map(bool, before.values())) > len(SEARCHES) / 2
    for when in ("as shipped", "as measured"):
        for (type_, text), most in SEARCHES.items():
            with subtests.test(index=when, type=type_, search=text):
                cost = await _cost(record, database, ADMIN, type_, text)
                assert cost.kept
                assert cost.statements == 1
                assert cost.rows <= most
        if when == "as shipped":
            await _spread(record)
            await _analysed(record, database)
    assert {one: await ids(record, ADMIN, *one) for one in SEARCHES} == before
