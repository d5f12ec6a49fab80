"""The API of a server that runs, in a process of its own with some of its protection taken away: to measure what that costs.

``python -m tests.load.bare_api --data DATA --without audit,rls`` prints its port and answers until it is told to stop.
Nothing of this is part of the product: the parts are the product's, and what is taken away is taken away here, by
replacing functions of this process. No setting of a server does the same, and an installed server has no such module.

What each name takes away:

- token: who the bearer token belongs to is found out once and never looked at again;
- decide: the caller may do everything, so no relationship, role, Consent or scope is looked at, in no answer and no SQL;
- rls: it asks the database as roles of its own that pass row-level security (BYPASSRLS), for as long as this runs;
- audit: nothing is written down;
- encryption: content that was opened once is remembered, so reading it again opens nothing.
"""

import argparse
import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop
from psycopg import conninfo

from fhirserver import bootstrap
from fhirserver.access_epoch import AccessEpoch
from fhirserver.http_server import http_server
from fhirserver.kernel.principal import Access
from fhirserver.parts import open_server
from fhirserver.rest import callers
from fhirserver.rest.application import application
from fhirserver.settings import Settings
from fhirserver.store import database
from fhirserver.store.data_keys import DataKeys
from fhirserver.supervisor.postgres import PostgresServer
from fhirserver.supervisor.supervise import DATABASE
from tests.load.wall import role_past_the_wall

PARTS = ("token", "decide", "rls", "audit", "encryption")
_ROLES = ("fhir_read", "fhir_write")


def take_token_away() -> None:
    """Ask once who a token belongs to."""
    known: dict[bytes | None, Access] = {}
    asked = callers.Callers.access

    async def access(self: callers.Callers, authorization: bytes | None) -> Access:
        if authorization not in known:
            known[authorization] = await asked(self, authorization)
        return known[authorization]

    async def admit(self: callers.Callers, authorization: bytes | None, address: str) -> Access:
        return await access(self, authorization)

    callers.Callers.access = access  # type: ignore[method-assign]
    callers.Callers.admit = admit  # type: ignore[method-assign]


def take_decide_away() -> None:
    """Let everybody do everything."""

    def decide(principal: Any, *_facts: Any) -> Access:
        return Access(principal, everything=True)

    setattr(callers, "decide", decide)  # noqa: B010 - a function of another module


def take_encryption_away() -> None:
    """Open each content once."""
    opened: dict[tuple[int, str, str, int], bytes] = {}
    content = DataKeys.content

    async def remembered(
        self: DataKeys, tenant: int, type_: str, id_: str, version: int, key_id: int, sealed: bytes
    ) -> bytes:
        place = (tenant, type_, id_, version)
        plain = opened.get(place)
        if plain is None:
            plain = opened[place] = await content(self, tenant, type_, id_, version, key_id, sealed)
        return plain

    DataKeys.content = remembered  # type: ignore[method-assign]


@contextmanager
def without_rls(url: str, *, wanted: bool) -> Iterator[None]:
    """Let this process ask as roles that pass row-level security until the block ends."""
    with ExitStack() as stack:
        if wanted:
            past = {role: stack.enter_context(role_past_the_wall(url, role)) for role in _ROLES}

            def make_conninfo(to: str, *, user: str, password: str) -> str:
                user, password = past.get(user, (user, password))
                return conninfo.make_conninfo(to, user=user, password=password)

            setattr(database, "make_conninfo", make_conninfo)  # noqa: B010 - a function of another module
        yield


async def serve(settings: Settings, without: frozenset[str]) -> None:
    """Answer until SIGTERM."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with open_server(settings) as server, asyncio.TaskGroup() as tasks:
        bootstrap._collect_less_often()
        epoch = AccessEpoch(server.record, time.monotonic)
        services = bootstrap._services(settings, server, epoch)
        if "audit" in without:
            services = replace(services, auditing=None)
        http = http_server(application(services))
        following = tasks.create_task(epoch.follow())
        serving = tasks.create_task(http.serve())
        while not http.started:  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.01)
        print(http.servers[0].sockets[0].getsockname()[1], flush=True)
        await stop.wait()
        http.should_exit = True
        await serving
        following.cancel()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--without", default="")
    given = parser.parse_args()
    without = frozenset(one for one in given.without.split(",") if one)
    if not without <= set(PARTS):
        parser.error(f"--without takes {', '.join(PARTS)}")
    running = PostgresServer(given.data)
    if not running.adopt():
        parser.error("no server runs on that directory")
    url = running.dsn(DATABASE)
    settings = replace(
        Settings.from_environment({"LOG_LEVEL": "warning"}),
        data=given.data,
        database_url=url,
        rate_account=9_999_999,
        rate_strangers=9_999_999,
    )
    for name, take_away in (
        ("token", take_token_away),
        ("decide", take_decide_away),
        ("encryption", take_encryption_away),
    ):
        if name in without:
            take_away()
    with without_rls(url, wanted="rls" in without):
        uvloop.run(serve(settings, without))


if __name__ == "__main__":
    main()
