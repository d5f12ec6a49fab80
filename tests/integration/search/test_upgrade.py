"""A database of the first release, with data in it, becomes one whose ranges are partitioned."""

from datetime import UTC, datetime

import psycopg
import pytest
from alembic import command

from fhirserver import definitions
from fhirserver.kernel import keys
from fhirserver.store import migrate
from fhirserver.store.partitions import observation_leaf
from tests.conftest import ROLE_PASSWORDS, Database

MOMENT = datetime(2026, 8, 3, 9, 0, tzinfo=UTC)


def _first_release(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = command.upgrade
    with monkeypatch.context() as patched:
        patched.setattr(command, "upgrade", lambda config, _: upgrade(config, "c0001"))
        migrate.upgrade(dsn, ROLE_PASSWORDS)


def test_data_of_the_first_release_is_kept(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = empty_database.dsn
    _first_release(dsn, monkeypatch)
    number = definitions.load().type_number
    reading = keys.row_id(keys.unix_ms(MOMENT), 5, 77)
    week = (
        observation_leaf(MOMENT),
        keys.first_row_at(MOMENT),
        keys.first_row_at(datetime(2026, 8, 10, tzinfo=UTC)),
    )
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT ensure_observation_partition(%s, %s, %s)", week)
        for type_ in ("Observation", "Task", "AuditEvent"):
            connection.execute(
                "INSERT INTO resource (type, bucket, tenant, id, version, own, updated, keys_version, keys, key_id, content) "
                "VALUES (%s, 5, 1, %s, 1, 1, now(), 1, '{1}', 0, '')",
                (number(type_), reading),
            )
            connection.execute(
                "INSERT INTO resource_range (bucket, tenant, type, id, param, lo, hi) VALUES (5, 1, %s, %s, 9, 1, 'Infinity')",
                (number(type_), reading),
            )
    migrate.upgrade(dsn, ROLE_PASSWORDS)
    migrate.upgrade(dsn, ROLE_PASSWORDS)
    with psycopg.connect(dsn) as connection:
        places = connection.execute(
            "SELECT tableoid::regclass::text, id, param, lo::text, hi::text FROM resource_range ORDER BY 1"
        ).fetchall()
        assert places == [
            ("range_auditevent_rest", reading, 9, "1", "Infinity"),
            ("range_observation_20260803", reading, 9, "1", "Infinity"),
            ("range_rest", reading, 9, "1", "Infinity"),
        ]
        assert connection.execute("SELECT count(*) FROM resource").fetchone() == (3,)
        # The upgraded function makes both leaves of another week.
        connection.execute(
            "SELECT ensure_observation_partition(%s, %s, %s)",
            ("current_observation_20260810", keys.first_row_at(datetime(2026, 8, 10, tzinfo=UTC)),
             keys.first_row_at(datetime(2026, 8, 17, tzinfo=UTC))),
        )  # fmt: skip
        made = connection.execute("SELECT to_regclass('range_observation_20260810')").fetchone()
        assert made is not None
        assert made[0] is not None
