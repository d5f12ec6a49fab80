"""Brings a database to the current schema: roles first, then every Alembic revision of every part."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from fhirserver.store import roles

_HERE: Final = Path(__file__).parent / "migrations"
# Parts with tables of their own, by the name of their migrations package; they are found, not imported.
_OTHER_PARTS: Final = ("subscriptions.store.migrations",)


def upgrade(dsn: str, passwords: Mapping[str, str]) -> None:
    """Bring the database at `dsn` (a role that may create roles and tables) to the newest revision.

    `passwords` gives the login roles' passwords. Running it again changes nothing. Raises `psycopg.Error` with the
    database's own message when a right is missing.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        roles.ensure(connection, passwords)
        database = connection.info.dbname
        connection.execute(
            psycopg.sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO fhir_owner"),
        )
        connection.execute(
            psycopg.sql.SQL("GRANT CREATE ON DATABASE {} TO fhir_owner").format(
                psycopg.sql.Identifier(database)
            )
        )
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))
    try:
        with engine.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(_HERE))
            config.set_main_option("path_separator", "newline")
            config.set_main_option("version_locations", "\n".join(_version_locations()))
            config.attributes["connection"] = connection
            command.upgrade(config, "heads")
            connection.commit()
    finally:
        engine.dispose()


def _version_locations() -> list[str]:
    locations = [str(_HERE / "versions")]
    for name in _OTHER_PARTS:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            locations.append(str(Path(spec.submodule_search_locations[0]) / "versions"))
    return locations
