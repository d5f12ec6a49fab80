"""A house with a sealed log, a look at that log, and somebody who has the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import psycopg

from fhirserver import definitions
from fhirserver.auditing.findings import Inspection
from fhirserver.auditing.head import Head
from fhirserver.auditing.heads_export import HeadsDirectory
from fhirserver.auditing.inspecting import inspect
from fhirserver.crypto.signing import SigningKeys, verify
from tests.conftest import Database
from tests.integration.auditing.conftest import RING, House, open_house

PUBLIC = SigningKeys(RING).public()


@asynccontextmanager
async def sealed(
    database: Database, directory: Path
) -> AsyncIterator[tuple[House, HeadsDirectory]]:
    """A house with three sealed batches, their heads in `directory`."""
    async with open_house(database) as house:
        place = HeadsDirectory(directory)
        admin = await house.client("admin")
        for _ in range(3):
            for of in ("ann", "joe"):
                assert (await admin.get(f"Patient/{of}")).status_code == 200
            await house.settle()
            assert await house.sealer([place]).once() >= 1
        yield house, place


async def looked_at(house: House, *heads: Head) -> Inspection:
    log = house.record.audit_log()
    tenants = [number for number, _ in await house.record.tenants()]
    return await inspect(log, tenants, partial(verify, public=PUBLIC), heads)


def kinds(inspection: Inspection) -> set[str]:
    return {one.kind for one in inspection.findings}


def superuser(house: House, *statements: str) -> None:
    with psycopg.connect(house.database.dsn, autocommit=True) as connection:
        for one in statements:
            connection.execute(one.encode())


NUMBER = definitions.load().type_number("AuditEvent")
NEWEST = f"SELECT id FROM resource WHERE type = {NUMBER} ORDER BY id DESC LIMIT 1"
OLDEST = f"SELECT id FROM resource WHERE type = {NUMBER} ORDER BY id LIMIT 1"
