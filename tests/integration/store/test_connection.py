"""Round trips of several statements, and what is left of the connection when something goes wrong in one."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import psycopg
import pytest

from fhirserver.store import connection as module
from fhirserver.store.connection import Connection, Query
from tests.conftest import Database

ONE = Query("SELECT 1")


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    opened = await Connection.connect(database.dsn, autocommit=True)
    async with opened:
        yield opened


async def test_rows_of_each_statement_in_their_order(connection: Connection) -> None:
    found = await connection.round(
        [
            Query("SELECT %s::bigint[], 1.50::numeric", ([1, 2],)),
            Query("SELECT 1 WHERE false"),
            Query("CREATE TEMPORARY TABLE kept (n int)"),
            Query("SELECT %(b)s || %(a)s || %(b)s || '%%'", {"a": "x", "b": "-"}),
            Query("SELECT '%'", prepare=False),
        ]
    )
    assert found == [[([1, 2], Decimal("1.50"))], [], [], [("-x-%",)], [("%",)]]
    assert str(found[0][0][1]) == "1.50"


async def test_a_round_is_one_transaction(connection: Connection) -> None:
    moments = await connection.round([Query("SELECT now()"), Query("SELECT pg_sleep(0), now()")])
    assert moments[0][0][0] == moments[1][0][1]
    await connection.rows("CREATE TEMPORARY TABLE kept (n int)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await connection.round([Query("INSERT INTO kept VALUES (1)"), Query("SELECT 1/0")])
    assert await connection.rows("SELECT count(*) FROM kept") == [(0,)]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (Query("SELEC 1"), psycopg.errors.SyntaxError),
        (Query("SELECT 1/%s::int", (0,)), psycopg.errors.DivisionByZero),
        (Query("SELECT 1/%s::int", (0,), prepare=False), psycopg.errors.DivisionByZero),
    ],
)
async def test_the_first_failure_is_told_and_the_connection_goes_on(
    connection: Connection, wrong: Query, error: type[psycopg.Error]
) -> None:
    for _ in range(2):
        with pytest.raises(error):
            await connection.round([ONE, wrong, Query("SELECT 2")])
        assert await connection.round([ONE, Query("SELECT 2")]) == [[(1,)], [(2,)]]


async def test_a_failed_transaction_is_rolled_back_and_its_plans_stay(
    connection: Connection,
) -> None:
    await connection.round([Query("BEGIN", prepare=False), ONE])
    with pytest.raises(psycopg.errors.DivisionByZero):
        await connection.rows("SELECT 1/0")
    await connection.rollback()
    assert await connection.round([ONE, ONE]) == [[(1,)], [(1,)]]


async def test_plans_that_nobody_uses_make_room(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PREPARED", 2)
    for _ in range(2):
        found = await connection.round([Query(f"SELECT {number}") for number in range(5)])
        assert found == [[(number,)] for number in range(5)]
    kept = await connection.rows("SELECT count(*) FROM pg_prepared_statements")
    assert kept[0][0] <= 3


async def test_more_than_a_socket_holds_goes_both_ways(connection: Connection) -> None:
    large = "x" * 3_000_000
    found = await connection.round([Query("SELECT %s::text", (large,))] * 4)
    assert [rows[0][0] == large for rows in found] == [True] * 4


async def test_who_does_not_wait_for_the_answer_leaves_no_connection(
    connection: Connection,
) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connection.rows("SELECT pg_sleep(30)"), 0.1)
    assert connection.closed


async def test_a_lost_connection_is_told(connection: Connection, database: Database) -> None:
    other = await Connection.connect(database.dsn, autocommit=True)
    async with other:
        ending = Query("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        await other.round([ending])
    with pytest.raises(psycopg.OperationalError):
        await connection.rows("SELECT 1")
    assert connection.closed
