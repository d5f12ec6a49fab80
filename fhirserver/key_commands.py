"""What the commands about keys do, over the database they were given."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from fhirserver.command_database import RefusedError
from fhirserver.crypto.envelope import KEY_BYTES, Tampered
from fhirserver.crypto.root_keys import UnusableRootKey
from fhirserver.kernel.jobs import JobStatus
from fhirserver.kernel.principal import Access, Principal
from fhirserver.keyring_source import FileKeys
from fhirserver.parts import Server, open_server
from fhirserver.settings import Settings
from fhirserver.store import key_upkeep
from fhirserver.store.key_census import Census
from fhirserver.wire import fhir_json

_POLL_SECONDS: Final = 0.5


def root_status(settings: Settings, url: str) -> tuple[str, Mapping[str, int]]:
    """Return the name of the active root key, and how many keys hang on each root key there is."""

    async def run() -> tuple[str, Mapping[str, int]]:
        async with _opened(settings, url) as server:
            hanging = await server.record.hanging_on_root_keys()
            root = server.record.root
            return root.active, {name: hanging.get(name, 0) for name in {*root.names(), *hanging}}

    return asyncio.run(run())


def status(settings: Settings, url: str) -> Mapping[str, Census]:
    """Return what hangs on which key, by the name of the tenant."""

    async def run() -> Mapping[str, Census]:
        async with _opened(settings, url) as server:
            return {
                name: await server.record.key_census(number)
                for number, name in await server.record.tenants()
            }

    return asyncio.run(run())


def watched(found: Census, hours: str) -> str:
    """Return what the last look at the index found, as a line; `hours` is the setting that says when it looks."""
    if found.watched is None:
        off = hours == key_upkeep.NEVER
        return "never by itself (INDEX_SPREADING=off); run keys spread" if off else "not yet"
    told = _told(found.watched)
    seen = f"barest column {told['column'] or '(none)'}, {told['percent']} % of its values"
    done = f"spread anew in version {told['version']}" if told["spread"] else "nothing to do"
    return f"{found.watched.finished:%Y-%m-%d %H:%M} UTC, {seen}; {done}"


def rotate_root(settings: Settings, url: str) -> tuple[str, int]:
    """Make a new root key in the keyring file and wrap everything by it; return its name, and how much that was.

    With another source of root keys, whoever keeps them has made one active: then nothing is made here.
    """

    async def run() -> tuple[str, int]:
        async with _opened(settings, url) as server:
            root = server.record.root
            if isinstance(root, FileKeys):
                numbers = [int(one[1:]) for one in root.names() if one[1:].isdecimal()]
                name = f"k{max(numbers, default=0) + 1}"
                root.keep(root.ring.plus(name, secrets.token_bytes(KEY_BYTES)))
            return root.active, await server.record.rewrap_tenant_keys()

    return asyncio.run(run())


def retire_root(settings: Settings, url: str, name: str) -> None:
    """Take a root key out of the keyring file that nothing hangs on. Raises `RefusedError`."""

    async def run() -> None:
        async with _opened(settings, url) as server:
            root = server.record.root
            hanging = (await server.record.hanging_on_root_keys()).get(name, 0)
            if not isinstance(root, FileKeys):
                raise RefusedError("the root keys are not in a file; retire it where they are")
            if name not in root.names() or name == root.active:
                others = sorted(one for one in root.names() if one != root.active)
                raise RefusedError(
                    f"{name} is the active root key; make another with keys rotate-root first"
                    if name == root.active
                    else f"there is no root key {name}; retired ones: {', '.join(others) or 'none'}"
                )
            if hanging:
                raise RefusedError(f"{hanging} keys hang on {name}; run keys rotate-root first")
            root.keep(root.ring.without(name))

    asyncio.run(run())


def work(
    settings: Settings, url: str, tenant: str, kind: str, request: Mapping[str, Any],
    tell: Callable[[int, int | None], None],
) -> Mapping[str, Any]:  # fmt: skip
    """Run a job of a tenant to its end, here or in a server that is running, and return what it says of itself.

    `tell` is told how far it is. Raises `RefusedError` when it fails.
    """

    async def run() -> Mapping[str, Any]:
        async with _opened(settings, url) as server:
            number = await server.record.tenant_number(tenant)
            if number is None:
                known = ", ".join(name for _, name in await server.record.tenants())
                raise RefusedError(f"there is no tenant {tenant!r}; there are: {known or 'none'}")
            owner = Principal(number, "admin", "")
            id_ = await server.record.jobs.submit(number, kind, orjson.dumps(request), owner)
            stop = asyncio.Event()
            worker = server.record.job_worker({}, server.catalogue.enable)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(worker.run(stop))
                try:
                    ended = await _ended(server, number, id_, Access(owner, everything=True), tell)
                finally:
                    stop.set()
            return _told(ended)

    return asyncio.run(run())


async def _ended(
    server: Server, tenant: int, id_: str, access: Access, tell: Callable[[int, int | None], None]
) -> JobStatus | None:
    while True:
        found = await server.record.jobs.status(tenant, id_, access)
        if found is None:
            return None
        tell(found.progress, found.total)
        if found.state in ("done", "failed", "cancelled"):
            return found
        await asyncio.sleep(_POLL_SECONDS)


def _told(ended: JobStatus | None) -> Mapping[str, Any]:
    if ended is None:
        raise RefusedError("the job is gone")
    if ended.state != "done" or ended.outcome is None:
        raise RefusedError(f"the job has {ended.state}: {ended.fault or 'see the log'}")
    return {
        one["name"]: next(value for name, value in one.items() if name.startswith("value"))
        for one in fhir_json.read(ended.outcome)["parameter"]
    }


@contextlib.asynccontextmanager
async def _opened(settings: Settings, url: str) -> AsyncIterator[Server]:
    try:
        async with open_server(replace(settings, database_url=url)) as server:
            yield server
    except (UnusableRootKey, Tampered) as problem:
        raise RefusedError(
            f"the root keys do not fit this database ({problem}); DATA or KEYRING must be those the server runs with"
        ) from problem
