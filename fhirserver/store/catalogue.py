"""What every process knows of loaded definitions: installed packages and tenants' own canonical resources.

A write of a StructureDefinition, ValueSet, CodeSystem, ConceptMap or SearchParameter raises the tenant's epoch in the
same transaction. The process that wrote reads it again at once, the others when they next look, every 250 ms. What a
process holds never changes; a change makes new definitions.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, NoReturn

import structlog

from fhirserver.definitions import Definitions, load
from fhirserver.definitions.canonicals import KINDS
from fhirserver.definitions.custom_parameter import searched_bases
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.ports import Transaction, Transactions
from fhirserver.kernel.resource import Json
from fhirserver.search.parameter_check import check_parameter
from fhirserver.store import packages
from fhirserver.store.database import Pool

PACKAGES: Final = 0
"""The tenant whose epoch is that of the packages."""

POLL_SECONDS: Final = 0.25

CATALOGUE_LAG_SECONDS: Final = 1.0
"""Longest time after which every running process knows a change: a re-index starts no earlier."""

MAX_RESOURCES: Final = 5_000
MAX_BYTES: Final = 64 * 1024 * 1024
"""What one tenant may have loaded; every process holds it in memory."""

log = structlog.get_logger(__name__)


class Catalogue:
    """Hands out each tenant's definitions, and keeps them as new as the database."""

    def __init__(self, pool: Pool, base: Definitions, open_work: Transactions) -> None:
        """Read epochs and packages through `pool`, tenants' resources through transactions of `open_work`.

        `base` is what ships with the server.
        """
        self._pool = pool
        self._base = base
        self._open_work = open_work
        self._packaged = base
        self._tenants: dict[int, Definitions] = {}
        self._epochs: dict[int, int] = {}
        self._read: dict[tuple[int, str, str], tuple[int, Json]] = {}
        self._lock = asyncio.Lock()

    def definitions_of(self, tenant: int) -> Definitions:
        """Return the definitions of `tenant`: what ships, the packages, and its own resources."""
        return self._tenants.get(tenant, self._packaged)

    async def load(self) -> None:
        """Bring everything that changed up to date. Raises `psycopg.OperationalError` while the database is away."""
        async with self._lock:
            epochs = await self._current_epochs()
            changed = {one for one, epoch in epochs.items() if self._epochs.get(one) != epoch}
            if PACKAGES in changed:
                await self._load_packages()
                changed = set(epochs)
            for tenant in sorted(changed - {PACKAGES}):
                await self._load_tenant(tenant)
            self._epochs = epochs

    async def refresh(self, tenant: int) -> None:
        """Read the resources of `tenant` again, after a commit of this process that changed them.

        Never raises: what was committed stays committed, and `follow` reads it as soon as it can.
        """
        try:
            async with self._lock:
                await self._load_tenant(tenant)
        except Exception:
            self._epochs.pop(tenant, None)
            log.warning("the catalogue of a tenant cannot be read", tenant=tenant, exc_info=True)

    async def follow(self) -> NoReturn:
        """Look for changes for ever."""
        while True:
            try:
                await self.load()
            except Exception:
                # What is known goes on to hold; the next look tries again.
                log.warning("the catalogue cannot be read", exc_info=True)
            await asyncio.sleep(POLL_SECONDS)

    async def enable(self, tx: Transaction, parameters: Mapping[str, str]) -> None:
        """Let custom search parameters be searched by, from the commit of `tx` on.

        `parameters` is what `Definitions.pending_parameters` said before the index was built; one that was changed
        since stays pending.
        """
        for url, mark in sorted(parameters.items()):
            await tx.execute(
                "INSERT INTO search_parameter_state (tenant, url, fingerprint, enabled) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT (tenant, url) DO UPDATE SET fingerprint = excluded.fingerprint, enabled = excluded.enabled",
                (tx.tenant, url, mark, tx.now),
            )
        await raise_epoch(tx)

    async def _current_epochs(self) -> dict[int, int]:
        async with self._pool.connection() as connection:
            found = await connection.rows("SELECT tenant, epoch FROM catalogue_epoch")
        return dict(found)

    async def _load_packages(self) -> None:
        installed = await packages.contents(self._pool)
        resources = [resource for content in installed for resource in content]
        self._packaged = self._with(self._base, resources) if resources else self._base

    async def _load_tenant(self, tenant: int) -> None:
        async with self._open_work(tenant) as tx:
            resources = await self._resources(tx)
            states = dict(
                await tx.execute(
                    "SELECT url, fingerprint FROM search_parameter_state WHERE tenant = %s",
                    (tenant,),
                )
            )
        definitions = self._with(self._packaged, resources)
        pending = definitions.pending_parameters()
        enabled = frozenset(url for url, mark in pending.items() if states.get(url) == mark)
        if enabled:
            definitions = self._with(self._packaged, resources, enabled)
        if resources or enabled:
            self._tenants[tenant] = definitions
        else:
            self._tenants.pop(tenant, None)

    def _with(
        self, below: Definitions, resources: list[Json], enabled: frozenset[str] = frozenset()
    ) -> Definitions:
        """Put `resources` on top, without search parameters that no write could be indexed by.

        A write is refused when such a one is stored, but an older release may have stored it.
        """
        all_of_them = below.extended(resources, enabled)
        unusable = [
            one for one in resources if _is_unusable(one, searched_bases(one, below), all_of_them)
        ]
        if not unusable:
            return all_of_them
        for one in unusable:
            log.warning("a search parameter is left out: it cannot be used", url=one.get("url"))
        return below.extended([one for one in resources if one not in unusable], enabled)

    async def _resources(self, tx: Transaction) -> list[Json]:
        """A tenant's canonical resources, oldest change first; only new versions are decrypted."""
        number = self._base.type_number
        names = {number(kind): kind for kind in KINDS}
        rows = await tx.execute(
            "SELECT type, coalesce(fhir_id, id::text), version FROM resource "
            "WHERE tenant = %s AND type = ANY(%s) AND NOT deleted ORDER BY updated, id",
            (tx.tenant, sorted(names)),
        )
        resources, seen = [], {}
        for type_, id_, version in rows:
            key = (tx.tenant, names[type_], id_)
            known = self._read.get(key)
            if known is None or known[0] != version:
                resource = await tx.get(names[type_], id_)
                if resource is None:
                    continue
                known = (version, resource)
            seen[key] = known
            resources.append(known[1])
        stale = [key for key in self._read if key[0] == tx.tenant and key not in seen]
        for key in stale:
            del self._read[key]
        self._read |= seen
        return resources


def _is_unusable(resource: Json, bases: list[str], definitions: Definitions) -> bool:
    if not bases:
        return False
    problems = check_parameter({**resource, "base": bases}, definitions)
    return any(one.severity == "error" for one in problems)


async def follow_change(tx: Transaction, *, deleted: bool) -> None:
    """Raise the epoch of the tenant, whose canonical resources `tx` changed.

    Raises `Unprocessable` when the tenant would have more loaded than every process can hold.
    """
    if not deleted:
        await _require_room(tx)
    await raise_epoch(tx)


async def _require_room(tx: Transaction) -> None:
    numbers = sorted(load().type_number(kind) for kind in KINDS)
    ((count, size),) = await tx.execute(
        "SELECT count(*), coalesce(sum(length(content)), 0) FROM resource "
        "WHERE tenant = %s AND type = ANY(%s) AND NOT deleted",
        (tx.tenant, numbers),
    )
    if count > MAX_RESOURCES or size > MAX_BYTES:
        message = (
            f"A tenant may have {MAX_RESOURCES} profiles, terminologies and search parameters of its own, "
            f"with {MAX_BYTES >> 20} MiB; install a package instead, or delete some."
        )
        raise Unprocessable(message)


async def raise_epoch(tx: Transaction) -> None:
    """Let every process read the tenant's definitions anew after the commit of `tx`."""
    await tx.execute(
        "INSERT INTO catalogue_epoch (tenant, epoch) VALUES (%s, 1) "
        "ON CONFLICT (tenant) DO UPDATE SET epoch = catalogue_epoch.epoch + 1",
        (tx.tenant,),
    )
