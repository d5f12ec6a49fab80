"""Installed packages in the database: of the whole installation, not of a tenant."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhirserver.definitions.package import Package
from fhirserver.kernel.resource import Json
from fhirserver.store.connection import Connection
from fhirserver.store.database import Pool
from fhirserver.wire import fhir_json

# Two administrators installing at once would each check against a state that the other changes.
_ADVISORY_LOCK = 7_205_759_403_792_795


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed package: how many resources it brought, and when (UTC)."""

    name: str
    version: str
    dependencies: dict[str, str]
    resources: int
    added: datetime

    @property
    def label(self) -> str:
        """The name and version as they are written together."""
        return f"{self.name}@{self.version}"


async def contents(pool: Pool) -> list[list[Json]]:
    """Return the resources of every installed package, the one installed last at the end."""
    async with pool.connection() as connection:
        return await _contents(connection)


async def installed(pool: Pool) -> list[Installed]:
    """Return what is installed, in the order it was."""
    async with pool.connection() as connection:
        return await _installed(connection)


class Installation:
    """One change of what is installed, made on one connection and alone after `lock` until it commits."""

    def __init__(self, connection: Connection) -> None:
        """`connection` has an open transaction."""
        self._connection = connection

    async def lock(self) -> None:
        """Wait until nobody else is changing anything."""
        await self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))

    async def installed(self) -> list[Installed]:
        """Return what is installed."""
        return await _installed(self._connection)

    async def contents(self) -> list[list[Json]]:
        """Return the resources of every installed package."""
        return await _contents(self._connection)

    async def add(self, packages: Sequence[Package], now: datetime) -> None:
        """Store `packages`; one of the same name and version is replaced."""
        for package in packages:
            await self._connection.execute(
                "INSERT INTO package (name, version, dependencies, resources, content, added) "
                "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (name, version) DO UPDATE SET "
                "dependencies = excluded.dependencies, resources = excluded.resources, content = excluded.content, "
                "added = excluded.added",
                (package.name, package.version, json.dumps(package.dependencies), len(package.resources),
                 gzip.compress(fhir_json.write(list(package.resources))), now),
            )  # fmt: skip
        await self._raise_epoch()

    async def remove(self, packages: Sequence[Installed]) -> None:
        """Take `packages` away."""
        for package in packages:
            await self._connection.execute(
                "DELETE FROM package WHERE name = %s AND version = %s",
                (package.name, package.version),
            )
        await self._raise_epoch()

    async def _raise_epoch(self) -> None:
        await self._connection.execute(
            "UPDATE catalogue_epoch SET epoch = epoch + 1 WHERE tenant = 0"
        )


async def _installed(connection: Connection) -> list[Installed]:
    found = await connection.execute(
        "SELECT name, version, dependencies, resources, added FROM package ORDER BY added, name, version"
    )
    return [Installed(*row) for row in await found.fetchall()]


async def _contents(connection: Connection) -> list[list[Json]]:
    found = await connection.execute("SELECT content FROM package ORDER BY added, name, version")
    return [_read(row[0]) for row in await found.fetchall()]


def _read(content: bytes) -> list[Json]:
    resources: Any = fhir_json.read_value(gzip.decompress(content))
    return list(resources)
