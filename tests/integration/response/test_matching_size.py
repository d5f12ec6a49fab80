"""What a look-up costs does not depend on how many Subscriptions there are."""

from typing import Any, Final

import psycopg
import pytest

from fhirserver.kernel.canonical import TOPIC_PATIENT_OBSERVATION
from fhirserver.kernel.principal import Principal
from subscriptions.store import match_rows
from tests.conftest import Database
from tests.integration.response.conftest import Place
from tests.integration.response.test_matching import observation, owed, subscription

ADMIN: Final = Principal(1, "admin", "")
KEYS: Final = 6
MANY: Final = 100_000
# Two levels of the index more, for each key.
MORE_BLOCKS: Final = 2 * KEYS


def fill(database: Database, tenant: int, count: int) -> None:
    """File as many Subscriptions as if they all wanted something else."""
    with psycopg.connect(database.dsn, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO subscription_match (bucket, tenant, topic, filter_key, subscription,"
            " required, plain) SELECT mod(key, 1024), %s, %s, key, 'other-' || key, '[]', false"
            " FROM (SELECT 8000000000000000000 + n AS key FROM generate_series(1, %s) n) AS made"
            " ON CONFLICT DO NOTHING",
            (tenant, TOPIC_PATIENT_OBSERVATION, count),
        )
        admin.execute("ANALYZE subscription_match")


def scans(node: Any) -> list[str]:
    """How the plan reads the rows of the index of Subscriptions."""
    own = [node["Node Type"]] if node.get("Relation Name") == "subscription_match" else []
    return own + [one for child in node.get("Plans", ()) for one in scans(child)]


async def blocks(place: Place) -> tuple[int, list[str]]:
    """How many blocks one look-up of several keys touches, and how it reads rows."""
    keys = [key * 7_919_000_000_007 for key in range(1, KEYS + 1)]
    args = {
        "tenant": place.tenant,
        "buckets": [key % 1024 for key in keys],
        "keys": keys,
        "now": place.now,
    }
    explain: Any = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + match_rows.CANDIDATES
    async with place.record.transaction(place.tenant) as tx:
        await tx.execute(match_rows.CANDIDATES, args)
        ((plan,),) = await tx.execute(explain, args)
    top = plan[0]["Plan"]
    return top["Shared Hit Blocks"] + top["Shared Read Blocks"], scans(top)


@pytest.fixture
def emptied(shared_database: Database) -> Any:
    yield shared_database
    with psycopg.connect(shared_database.dsn, autocommit=True) as admin:
        admin.execute("TRUNCATE subscription_match")


async def test_a_look_up_among_many_is_a_look_up_among_few(place: Place, emptied: Database) -> None:
    await place.client_put(
        subscription("s", TOPIC_PATIENT_OBSERVATION, "Observation?patient=ann"), ADMIN
    )
    fill(emptied, place.tenant, 1000)
    few, _ = await blocks(place)
    fill(emptied, place.tenant, MANY)
    many, read_by = await blocks(place)
    assert read_by == ["Index Scan"]
    assert many <= few + MORE_BLOCKS
    await place.put(observation())
    assert [who for who, _, _ in await owed(place)] == ["s"]
