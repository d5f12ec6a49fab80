"""The application on a loopback port, in a thread with an event loop of its own.

For clients that bring their own loop or none: generators of requests, client libraries.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fhirserver.http_server import http_server
from fhirserver.kernel.principal import Principal
from tests.conftest import Database
from tests.integration.rest.conftest import open_application
from tests.patience import PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Address:
    """Where the FHIR API is, and an administrator's token."""

    base: str
    token: str


@contextmanager
def serving(database: Database) -> Iterator[Address]:
    """The application over `database`, until the block ends."""
    opened: list[Address] = []
    failed: list[BaseException] = []
    ready = threading.Event()
    stop = threading.Event()

    async def run() -> None:
        async with open_application(database) as (record, transport):
            tenant = await record.ensure_tenant("served")
            token = await record.issue_token(Principal(tenant, "admin", ""), 3600)
            server = http_server(transport.app)
            task = asyncio.create_task(server.serve())
            while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            opened.append(Address(f"http://127.0.0.1:{port}/fhir", token))
            ready.set()
            await asyncio.to_thread(stop.wait)
            server.should_exit = True
            await task

    def main() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - told to the thread that waits
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=main, name="http-server")
    thread.start()
    try:
        assert ready.wait(PATIENCE_SECONDS), "the server did not start"
        if failed:
            raise failed[0]
        yield opened[0]
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
