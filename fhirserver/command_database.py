"""The database as an administrator's command finds it: a running server's, or one started for the command."""

from collections.abc import Iterator
from contextlib import contextmanager

from fhirserver.settings import Settings
from fhirserver.store import migrate
from fhirserver.supervisor import data_lock
from fhirserver.supervisor.database_credentials import database_passwords
from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.postgres import PostgresServer
from fhirserver.supervisor.supervise import DATABASE


class RefusedError(SupervisorError):
    """Everything is as it was before the command; the message says why."""


@contextmanager
def command_database(settings: Settings) -> Iterator[str]:
    """Give the database's URL: the one that is set, the running server's, or one started for this command."""
    if settings.database_url:
        yield settings.database_url
        return
    server = PostgresServer(settings.data)
    if data_lock.holder(settings.data) is not None:
        if not server.adopt():
            raise RefusedError("the server is just starting or stopping; try again in a moment")
        yield server.dsn(DATABASE)
        return
    with data_lock.locked(settings.data):
        server.start()
        try:
            server.ensure_database(DATABASE)
            url = server.dsn(DATABASE)
            migrate.upgrade(url, database_passwords(settings.data))
            yield url
        finally:
            server.stop()
