"""The same requests in turns with and without row-level security, in one process: to measure what that alone costs.

``python -m tests.load.paired_rls --data DATA --pairs 4000`` reads from its input a JSON object: the bearer ``token`` to ask
with, and paths below the FHIR base by kind (``{"token": ..., "paths": {"read": [...]}}``). It prints how long each pair took,
in microseconds: ``{"read": [[with, without], ...]}``.

Two applications stand beside each other here, which differ in the role they ask the database as: the product's, and one
that passes row-level security and is told of no patients. Nothing of this is part of the product.
"""

import argparse
import json
import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from fhirserver import bootstrap
from fhirserver.access_epoch import AccessEpoch
from fhirserver.definitions import load
from fhirserver.kernel.principal import Access
from fhirserver.parts import Server, now, open_server
from fhirserver.rest.application import application
from fhirserver.rest.envelope import Envelope
from fhirserver.settings import Settings
from fhirserver.store.caller import Caller
from fhirserver.store.connection import Connection
from fhirserver.store.database import Pool, _configure
from fhirserver.store.record import Record
from fhirserver.supervisor.postgres import PostgresServer
from fhirserver.supervisor.supervise import DATABASE
from tests.load.wall import role_past_the_wall

_WARM = 300


def without_wall(server: Server, pool: Pool) -> Record:
    """Return a record that reads through `pool` and tells the database of no patients."""
    record = server.record
    other = Record(
        replace(record._database, read=pool),
        record.root,
        load(),
        server.subscriptions.observer,
        now,
        definitions_of=server.catalogue.definitions_of,
    )

    async def settings(access: Access) -> Caller:
        return Caller(str(access.principal.tenant), "tenant", "{}")

    other._reader.settings = settings  # type: ignore[method-assign]
    return other


async def timed(app: Envelope, path: str, token: bytes) -> float:
    """Return how many microseconds `app` takes for a GET of `path`. Raises `RuntimeError` for anything but 200."""
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    place, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/fhir/{place.lstrip('/')}",
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"authorization", b"Bearer " + token)],
        "client": ("127.0.0.1", 0),
    }
    begun = time.perf_counter()
    await app(scope, receive, send)
    took = (time.perf_counter() - begun) * 1e6
    if status != 200:
        message = f"GET {place} answered {status}"
        raise RuntimeError(message)
    return took


async def pairs(
    one: Envelope, other: Envelope, paths: list[str], token: bytes, count: int
) -> list[tuple[float, float]]:
    """Return (one, other) of `count` requests; which of the two comes first is decided by chance."""
    chance = random.Random(0)
    found = []
    for number in range(-_WARM, count):
        path = paths[number % len(paths)]
        took = {}
        for app in (one, other) if chance.random() < 0.5 else (other, one):
            took[app] = await timed(app, path, token)
        if number >= 0:
            found.append((took[one], took[other]))
    return found


async def measured(
    settings: Settings, role: tuple[str, str], asked: dict[str, Any], count: int
) -> dict[str, list[tuple[float, float]]]:
    """Return the pairs of every kind that is asked for."""
    pool: Pool = AsyncConnectionPool(
        make_conninfo(settings.database_url, user=role[0], password=role[1]),
        connection_class=Connection,
        min_size=0,
        max_size=8,
        open=False,
        kwargs={"autocommit": True},
        configure=_configure,
    )
    async with pool, open_server(settings) as server:
        services = bootstrap._services(settings, server, AccessEpoch(server.record, time.monotonic))
        services = replace(services, auditing=None, access_epoch=lambda: 0)
        apps = [
            application(each)
            for each in (services, replace(services, store=without_wall(server, pool)))
        ]
        return {
            kind: await pairs(apps[0], apps[1], paths, asked["token"].encode(), count)
            for kind, paths in asked["paths"].items()
        }


def main() -> None:
    """Read the command line and what is to be asked, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=4000)
    given = parser.parse_args()
    database = PostgresServer(given.data)
    if not database.adopt():
        parser.error("no server runs on that directory")
    url = database.dsn(DATABASE)
    settings = replace(
        Settings.from_environment({"LOG_LEVEL": "warning"}),
        data=given.data,
        database_url=url,
        rate_account=0,
        rate_strangers=0,
    )
    asked = json.load(sys.stdin)
    with role_past_the_wall(url, "fhir_read") as role:
        found = uvloop.run(measured(settings, role, asked, given.pairs))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
