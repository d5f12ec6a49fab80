"""Fixtures of the whole suite: a real PostgreSQL, a real broker, and no network but loopback."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fhirserver.supervisor.postgres import PostgresServer, connection_url

TEMPLATE = "fhir_template"
UNIT_TESTS = Path(__file__).parent / "unit"
ROLE_PASSWORDS = {
    "fhir_write": "write-password",
    "fhir_read": "read-password",
    "fhir_worker": "worker-password",
}
MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3
LOOPBACK = {"127.0.0.1", "127.0.0.2", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database of one test: its name and the server it lives on."""

    name: str
    server: PostgresServer

    @property
    def dsn(self) -> str:
        """The superuser's URL over the Unix socket."""
        return self.server.dsn(self.name)

    def dsn_as(self, role: str) -> str:
        """The URL of one of the login roles the migrations make (see `ROLE_PASSWORDS`)."""
        return connection_url(
            user=role,
            password=ROLE_PASSWORDS[role],
            database=self.name,
            host=str(self.server.socket),
            port=self.server.port,
        )


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case after its argument where its value is no text.

    What packs bytes may put the time into them, and every worker must find the same tests.
    """
    return argname if isinstance(val, bytes) and not val.isascii() else None


@pytest.fixture(autouse=True)
def _loopback_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to other machines, and in unit tests to anything."""
    unit = request.path.is_relative_to(UNIT_TESTS)
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if unit or (isinstance(address, tuple) and address[0] not in LOOPBACK):
            message = f"a test tried to connect to {address!r}"
            raise AssertionError(message)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def make_data_directory() -> Path:
    """Return a fresh DATA directory that the database account can reach, also when we are root.

    In memory where there is room for it: hundreds of databases are made, and a disk makes most tests wait.
    """
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    directory = Path(tempfile.mkdtemp(prefix="fhir-test-", dir=MEMORY if roomy else "/tmp"))
    directory.chmod(0o711)
    return directory


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One embedded PostgreSQL for the session, without crash safety; `dsn()` is the superuser's."""
    data = make_data_directory()
    server = PostgresServer(
        data,
        durable=False,
        overrides={
            "max_connections": "200",
            "shared_buffers": "128MB",
            # Thousands of connections are made, most by passwords that everybody can read above.
            "scram_iterations": "1",
        },
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(data)


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer) -> str:
    """The name of a database with all migrations applied, to be cloned and never changed."""
    from fhirserver.store.migrate import upgrade

    postgres_server.ensure_database(TEMPLATE)
    upgrade(postgres_server.dsn(TEMPLATE), ROLE_PASSWORDS)
    return TEMPLATE


_numbers = iter(range(1, 1_000_000))


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database of this test alone, without tables."""
    yield from _database(postgres_server, "template1")


@pytest.fixture
def database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """A database of this test alone, with all migrations applied."""
    yield from _database(postgres_server, template_database)


def _database(server: PostgresServer, template: str) -> Iterator[Database]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy".encode())
    yield Database(name, server)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)".encode())
