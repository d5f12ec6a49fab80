"""No search of the reference set reads a filled table from end to end; and what takes too long is refused."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from fhirserver.auth import decide
from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.errors import TooCostly
from fhirserver.kernel.principal import Access, Grant, Membership, Principal
from fhirserver.store.caller import SET_CALLER
from fhirserver.store.record import Record
from fhirserver.store.rows import index_columns
from fhirserver.store.search import pages, session, statement
from fhirserver.store.search.cursor import Position
from fhirserver.store.search.rounds import Statement
from tests.conftest import Database
from tests.integration.search.clinic import observation, patient, pressure, quantity
from tests.integration.search.conftest import DEFINITIONS, asked
from tests.integration.store.conftest import caller

ROWS = 20_000
# Different resources whose index columns are computed; their rows are repeated with other times and ids.
SAMPLES = 200
CODES = ("8867-4", "8310-5", "2708-6", "9279-1", "2339-0")
FIRST = datetime(2020, 1, 1, tzinfo=UTC)

REFERENCE: tuple[tuple[str, str], ...] = (
    ("Observation", ""),
    ("Observation", "code=8867-4"),
    ("Observation", "code=http://loinc.org|8867-4,http://loinc.org|2708-6"),
    ("Observation", "code=0000-0"),
    ("Observation", "patient=p-3"),
    ("Observation", "patient=p-3&code=8867-4&date=ge2020-01-01&_sort=-date"),
    ("Observation", "subject=Patient/nobody"),
    ("Observation", "performer=Practitioner/d-7"),
    ("Observation", "date=2020-01-05"),
    ("Observation", "date=ge2020-01-05&date=lt2020-01-06"),
    ("Observation", "date=gt2070"),
    ("Observation", "date=sa2020-02-01"),
    ("Observation", "_lastUpdated=gt2070"),
    ("Observation", "_sort=-_lastUpdated"),
    ("Observation", "_sort=date"),
    ("Observation", "value-quantity=gt100"),
    ("Observation", "value-quantity=gt1000"),
    ("Observation", "value-quantity=lt1|http://unitsofmeasure.org|Hz"),
    ("Observation", "component-value-quantity=ge185|http://unitsofmeasure.org|mm[Hg]"),
    ("Observation", "combo-value-quantity=lt10|http://unitsofmeasure.org|mm[Hg]"),
    ("Observation", "code-value-quantity=8867-4$gt125"),
    ("Observation", "component-code-value-quantity=8462-4$gt1000"),
    ("Observation", "combo-code-value-quantity=8480-6$gt1000"),
    ("Observation", "patient.family=nobody"),
    ("Observation", "patient.family=family-3"),
    ("Patient", "family=family-3"),
    ("Patient", "name:contains=ily-3"),
    ("Patient", "birthdate=1975-06-15"),
    ("Patient", "_id=p-3"),
)


def bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    for number in range(50):
        born = f"{1930 + number}-06-15"
        yield f"p-{number}", patient(f"p-{number}", f"family-{number}", "X", born)
    for number in range(SAMPLES):
        of = f"p-{number % 50}"
        if number % 6 == 5:
            yield of, pressure("x", of, "2020-01-01", 90 + number % 100, 50 + number % 60)
        else:
            yield (
                of,
                observation(
                    "x",
                    of,
                    CODES[number % 5],
                    "2020-01-01",
                    valueQuantity=quantity(40 + number, "/min"),
                    performer=[{"reference": f"Practitioner/d-{number % 20}"}],
                ),
            )


@pytest.fixture
async def filled(record: Record, database: Database) -> Record:
    """Twenty thousand readings, whose content nobody opens."""
    blind: BlindIndex = (await record._read.keys.tenant(1)).blind
    async with await psycopg.AsyncConnection.connect(database.dsn) as connection:
        await connection.execute(
            "CREATE TEMP TABLE sample (n int, type smallint, patient bigint, keys bigint[])"
        )
        await connection.execute(
            "CREATE TEMP TABLE sample_range (n int, param bigint, lo numeric, hi numeric)"
        )
        for n, (of, body) in enumerate(bodies()):
            index = index_columns(body, blind, DEFINITIONS)
            await connection.execute(
                "INSERT INTO sample VALUES (%s, %s, %s, %s)",
                (
                    n,
                    DEFINITIONS.type_number(body["resourceType"]),
                    blind.own(f"Patient/{of}"),
                    index.keys,
                ),
            )
            for one in index.ranges:
                await connection.execute(
                    "INSERT INTO sample_range VALUES (%s, %s, %s, %s)",
                    (n, one.param, one.lo, one.hi),
                )
        await connection.execute(
            "CREATE TEMP TABLE made AS SELECT s.*, t, uuidv7(make_interval(secs => t - %s)) AS id "
            "FROM sample s CROSS JOIN generate_series(1, %s) t WHERE s.n >= 50 OR t <= 20",
            (ROWS, ROWS // SAMPLES),
        )
        await connection.execute(
            "INSERT INTO resource (type, bucket, tenant, id, version, patient, own, time, time_end, updated, keys_version, "
            "keys, key_id, content) SELECT type, 0, 1, id, 1, patient, hashtextextended(id::text, 0), at, at + '1 second', "
            "at + make_interval(years => 5), 1, keys, 0, repeat('x', 600)::bytea "
            "FROM (SELECT *, %s::timestamptz + make_interval(mins => n * 7 + t * 1400) AS at FROM made) m",
            (FIRST,),
        )
        await connection.execute(
            "INSERT INTO resource_range (type, bucket, tenant, patient, param, id, lo, hi) "
            "SELECT m.type, 0, 1, m.patient, r.param, m.id, r.lo, r.hi FROM made m JOIN sample_range r USING (n)"
        )
    async with await psycopg.AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await connection.execute("VACUUM ANALYZE")
    return record


def scans(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for inner in plan.get("Plans", ()):
        yield from scans(inner)


async def planned(
    record: Record, access: Access, type_: str, text: str
) -> tuple[session.Session, statement.Plan]:
    searches = record._searches
    found = session.Session(
        record._reader,
        record._read,
        access,
        DEFINITIONS,
        (await record._read.keys.tenant(1)).blinds,
        await searches._common.known(),
        searches._rounds,
    )
    return found, await statement.plan(found, asked(type_, text))


async def plans(record: Record, access: Access, type_: str, text: str) -> list[dict[str, Any]]:
    """Return the plans of the statements of one search, which is not run to its end: the content is not real."""
    found, meant = await planned(record, access, type_, text)
    for one in statement.rows(meant, None, 21):
        await found.ask(one)
    return [plan[0]["Plan"] for _, plan in await found.plans()]


async def kept_plan(dsn: str, record: Record, access: Access, one: Statement) -> dict[str, Any]:
    """Return how a statement ran with the plan that is kept for it, which knows none of its values."""
    caller = await record._reader.settings(access)
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = psycopg.AsyncClientCursor(connection)
        await cursor.execute("SET ROLE fhir_read")
        await cursor.execute(SET_CALLER, caller)
        for name in ("enable_seqscan", "enable_sort"):
            await cursor.execute("SELECT set_config(%s, 'off', true)", (name,))
        await cursor.execute("SET plan_cache_mode = force_generic_plan")
        numbers = iter(range(1, one.sql.count("%s") + 1))
        text = re.sub("%s", lambda _: f"${next(numbers)}", one.sql)
        await connection.execute(f"PREPARE kept AS {text}".encode())
        values = ", ".join(["%s"] * len(one.args))
        execute = f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE kept({values})".encode()
        await cursor.execute(execute, one.args)
        row = await cursor.fetchone()
    assert row is not None
    return dict(row[0][0]["Plan"])


def looked_at(plan: dict[str, Any]) -> float:
    """Return the number of rows that a plan took from tables and indexes."""
    own = 0.0
    if "Relation Name" in plan or "Index Name" in plan:
        own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return own + sum(looked_at(inner) for inner in plan.get("Plans", ()))


# What the planner is to see the values of.
NOT_KEPT = ("code-value-quantity", "_lastUpdated=gt2070", "date=sa2020-02-01")


async def test_kept_plans_look_at_few_rows(
    filled: Record, database: Database, admin: Access, subtests: pytest.Subtests
) -> None:
    for type_, text in REFERENCE:
        with subtests.test(type=type_, search=text):
            _, meant = await planned(filled, admin, type_, text)
            for one in statement.rows(meant, None, 21):
                assert one.settled or text.startswith(NOT_KEPT)
                if one.settled:
                    plan = await kept_plan(database.dsn, filled, admin, one)
                    assert looked_at(plan) < ROWS / 5, json.dumps(plan)


async def test_every_way_gives_the_same_rows(
    filled: Record, admin: Access, subtests: pytest.Subtests
) -> None:
    ways: tuple[statement.Way, ...] = ("known", "planner", "all")
    more = (("Observation", "patient=p-3&_sort=date"), ("Observation", "code=8867-4&_sort=-date"))
    for access in (admin, caller("p-3"), caller("p-3", "p-4")):
        for type_, text in (*REFERENCE, *more):
            with subtests.test(type=type_, search=text, patients=access.patients):
                found, meant = await planned(filled, access, type_, text)
                position: Position | None = None
                for _ in range(2):
                    found_by = []
                    for way in ways:
                        rows = [
                            row
                            for one in statement.rows(meant, position, 21, way)
                            for row in await found.ask(one)
                        ]
                        found_by.append([row[1] for row in rows[:21]])
                    assert found_by[0] == found_by[1] == found_by[2]
                    if len(rows) < 21:
                        break
                    last = rows[9]
                    position = Position(tuple(last[8 : 8 + len(meant.sort) - 1]), last[1])


async def large_tables(dsn: str) -> set[str]:
    """Return the tables that no search may read from end to end."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        found = await connection.execute(
            "SELECT relname FROM pg_class WHERE reltuples > 500 AND relkind = 'r' AND relname ~ '^(current|range)_'"
        )
        large = {row[0] for row in await found.fetchall()}
    assert any(name.startswith("current_observation") for name in large)
    assert any(name.startswith("range_observation") for name in large)
    return large


async def test_nothing_is_read_from_end_to_end(
    filled: Record, database: Database, admin: Access, subtests: pytest.Subtests
) -> None:
    large = await large_tables(database.dsn)
    for access in (admin, caller("p-3", "p-4")):
        for type_, text in REFERENCE:
            with subtests.test(type=type_, search=text, everything=access.everything):
                for plan in await plans(filled, access, type_, text):
                    assert not large & set(scans(plan)), json.dumps(plan, default=str)


def holder(principal: Principal, scopes: str) -> Access:
    """Return the access of `principal`, on the team of two patients, by a token with `scopes`."""
    team = [Membership(one, principal.reference, None, None, None) for one in ("p-3", "p-4")]
    grant = Grant(principal, tuple(scopes.split()), "p-3")
    return decide(principal, team, FIRST, grant)


HOLDERS = {
    "a nurse's app": holder(
        Principal(1, "practitioner", "Practitioner/nurse"),
        "user/Patient.rs user/Observation.rs?code=http://loinc.org|8867-4",
    ),
    "an app of one patient": holder(
        Principal(1, "practitioner", "Practitioner/nurse"),
        "patient/Patient.rs patient/Observation.rs?code=http://loinc.org|2708-6",
    ),
    "a program": holder(
        Principal(1, "client", "nightly"),
        "system/Patient.rs system/Observation.rs?code=http://loinc.org|8867-4 "
        "system/Observation.rs?category=vital-signs",
    ),
}


def asked_of_keys(meant: statement.Plan) -> int:
    """Return how often the statements of a plan ask for what a resource is filed under."""
    return sum(one.sql.count(".keys ") for one in statement.rows(meant, None, 21))


async def test_granular_scopes_make_no_search_read_from_end_to_end(
    filled: Record, database: Database, subtests: pytest.Subtests
) -> None:
    large = await large_tables(database.dsn)
    text = "date=ge2020-01-05"
    _, free = await planned(filled, caller("p-3", "p-4"), "Observation", text)
    for name, access in HOLDERS.items():
        for type_, search in REFERENCE:
            with subtests.test(holder=name, type=type_, search=search):
                for plan in await plans(filled, access, type_, search):
                    assert not large & set(scans(plan)), json.dumps(plan, default=str)
        # The scope does stand in the statement: there is something to plan.
        _, limited = await planned(filled, access, "Observation", text)
        assert asked_of_keys(limited) > asked_of_keys(free), name


async def test_a_patient_and_a_code_newest_first_reads_few_rows(
    filled: Record, admin: Access
) -> None:
    text = "patient=p-3&code=8867-4&date=ge2020-01-01&_sort=-date"
    (plan,) = await plans(filled, admin, "Observation", text)
    assert plan["Node Type"] == "Limit"
    assert "Index" in json.dumps(plan)


async def test_common_patients_are_found_by_their_rows(
    filled: Record, database: Database, admin: Access, subtests: pytest.Subtests
) -> None:
    blind = (await filled._read.keys.tenant(1)).blind
    key = blind.reference("Observation", "subject", "Patient/p-3")
    assert key in await filled._searches._common.known()
    async with await psycopg.AsyncConnection.connect(database.dsn) as connection:
        found = await connection.execute(
            "SELECT count(*) FROM resource WHERE keys @> %s::bigint[]", ([key],)
        )
        row = await found.fetchone()
    assert row is not None
    for access in (admin, caller("p-3"), caller("p-3", "p-4")):
        with subtests.test(patients=access.patients):
            page = await filled.search(access, asked("Observation", "patient=p-3&_summary=count"))
            assert page.total == row[0] > 0
    page = await filled.search(caller("p-4"), asked("Observation", "patient=p-3&_summary=count"))
    assert page.total == 0
    both = await filled.search(
        admin, asked("Observation", "_filter=not (patient eq Patient/p-3)&_summary=count")
    )
    every = await filled.search(admin, asked("Observation", "_summary=count"))
    assert (both.total or 0) + row[0] == every.total


async def test_what_does_not_come_soon_is_asked_in_another_way(
    filled: Record, admin: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, meant = await planned(filled, admin, "Observation", "code=8867-4")
    soon = await pages._next_rows(found, meant, None, 21)
    tried: list[Statement] = []

    async def late(_: session.Session, one: Statement) -> None:
        tried.append(one)

    monkeypatch.setattr(session.Session, "tried", late)
    assert await pages._next_rows(found, meant, None, 21) == soon
    assert [one.settled for one in tried] == [True, False]
    assert "OFFSET 0" in found.ran[-1].sql


async def test_what_takes_too_long_is_too_costly(
    filled: Record, admin: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "STATEMENT_TIMEOUT", 1)
    with pytest.raises(TooCostly, match="five seconds"):
        await filled.search(
            admin, asked("Observation", "_summary=count&code:not=8867-4&status:not=x")
        )
    monkeypatch.undo()
    # The connection is as good as before.
    assert (await filled.search(admin, asked("Observation", "_summary=count"))).total == Decimal(
        (SAMPLES) * (ROWS // SAMPLES)
    )
