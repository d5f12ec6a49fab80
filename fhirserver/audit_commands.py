"""What the commands about the audit log do, over the database they were given."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from fhirserver.auditing.findings import Inspection
from fhirserver.auditing.head import Head
from fhirserver.auditing.heads_export import HeadsDirectory
from fhirserver.auditing.inspecting import inspect
from fhirserver.crypto.signing import verify
from fhirserver.parts import open_server
from fhirserver.settings import Settings

# Events between two lines of progress.
EVERY: Final = 20_000


def inspect_log(
    settings: Settings,
    url: str,
    exported: Iterable[Head],
    public: Mapping[str, Any] | None,
    progress: Callable[[int, int], None],
) -> Inspection:
    """Return what a look at the log finds; signatures must be by keys of the JWK set `public`, None: by this server's.

    `progress` is told, every `EVERY` events, how many were looked at and how many there were at the start.
    """

    async def run() -> Inspection:
        async with open_server(_over(settings, url)) as server:
            keys = server.signing.public() if public is None else public
            tenants = [number for number, _ in await server.record.tenants()]
            log = server.record.audit_log()
            total, told = await log.size(), 0

            def tell(inspection: Inspection) -> None:
                nonlocal told
                if inspection.size >= told + EVERY:
                    told = inspection.size
                    progress(told, max(total, told))

            return await inspect(log, tenants, partial(verify, public=keys), exported, tell)

    return asyncio.run(run())


def heads(settings: Settings, url: str, after: int) -> list[Head]:
    """Return the heads of the log behind number `after`."""

    async def run() -> list[Head]:
        async with open_server(_over(settings, url)) as server:
            log, found = server.record.audit_log(), list[Head]()
            while more := await log.heads(found[-1].statement.number if found else after):
                found += more
            return found

    return asyncio.run(run())


def export_heads(settings: Settings, url: str, directory: Path) -> int:
    """Add to `directory` the heads it has not; return how many. Raises `OSError`."""
    place = HeadsDirectory(directory)
    missing = heads(settings, url, place.last())
    if missing:
        place.keep(missing)
    return len(missing)


def _over(settings: Settings, url: str) -> Settings:
    return replace(settings, database_url=url)
