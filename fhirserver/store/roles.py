"""Database roles: who may do what, fixed before the first table exists.

- ``fhir_owner`` owns the tables and runs migrations; no process of the running server uses it.
- ``fhir_write`` writes for one tenant at a time, named by the setting ``app.tenant``; on leaf partitions it may only
  insert, because COPY refuses tables with row-level security.
- ``fhir_read`` answers one caller's questions: the tenant and the patients in the caller's settings, nothing else.
- ``fhir_worker`` is ``fhir_write`` plus the right to find due work of every tenant.
"""

from collections.abc import Mapping
from typing import Final, LiteralString

import psycopg
from psycopg import sql

_OWNER: Final = "fhir_owner"
_ADVISORY_LOCK: Final = 7_205_759_403_792_794


def ensure(
    connection: psycopg.Connection[tuple[object, ...]], passwords: Mapping[str, str]
) -> None:
    """Create the roles that are missing and set the passwords of the login roles, which `passwords` names all.

    `connection` must be allowed to create roles. Two servers starting at once wait for each other.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))
        for role in (_OWNER, *passwords):
            if not _exists(connection, role):
                kind: LiteralString = "NOLOGIN" if role == _OWNER else "LOGIN"
                connection.execute(sql.SQL("CREATE ROLE {} " + kind).format(sql.Identifier(role)))
        for role in passwords:
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                    sql.Identifier(role), sql.Literal(passwords[role])
                )
            )
        connection.execute("GRANT fhir_write TO fhir_worker")


def _exists(connection: psycopg.Connection[tuple[object, ...]], role: str) -> bool:
    return (
        connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
        is not None
    )
