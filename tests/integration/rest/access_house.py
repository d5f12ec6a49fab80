"""A tenant furnished with the cast and the record of the access matrix."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from fhirserver.kernel.principal import Grant, Principal, Relations
from fhirserver.store.record import Record
from tests.conftest import Database
from tests.integration.rest.access_cast import CAST, RESOURCES, grant_of, relations_of
from tests.integration.rest.conftest import BASE, _homes, open_application, put
from tests.oracles.access_oracle import Who


@dataclass
class House:
    """A tenant with the whole cast: a client each."""

    clients: dict[str, httpx.AsyncClient]
    tenant: int
    record: Record

    def of(self, who: Who) -> httpx.AsyncClient:
        return self.clients[who.name]


@asynccontextmanager
async def furnished(database: Database) -> AsyncIterator[House]:
    """The record of the matrix, and the cast with their tokens; who they are comes from the cast alone."""
    async with open_application(database) as (record, transport):
        tenant = await record.ensure_tenant(f"matrix-{next(_homes)}")
        grants = {f"token-{number}": grant_of(one, tenant) for number, one in enumerate(CAST)}
        asking: list[str] = []

        async def grant(token: str) -> Grant | None:
            asking.append(token)
            return grants.get(token)

        async def relations(principal: Principal) -> Relations:
            # Some of the cast are one person with several tokens: the relations of this one.
            who = CAST[int(asking[-1].partition("-")[2])]
            assert grant_of(who, tenant).principal == principal
            return relations_of(who)

        record.grant = grant  # type: ignore[method-assign]
        record.relations = relations  # type: ignore[method-assign]
        clients = {
            one.name: httpx.AsyncClient(
                transport=transport,
                base_url=f"{BASE}/",
                headers={"authorization": f"Bearer token-{number}"},
            )
            for number, one in enumerate(CAST)
        }
        for resource in RESOURCES:
            answer = await put(clients["admin"], resource)
            assert answer.status_code == 201, answer.text
        yield House(clients, tenant, record)
        for one in clients.values():
            await one.aclose()


def shown(answer: Any) -> set[str]:
    """Every resource (``Type/id``) that stands whole in an answer, wherever."""
    found: set[str] = set()
    if isinstance(answer, dict):
        if "resourceType" in answer and "id" in answer:
            found.add(f"{answer['resourceType']}/{answer['id']}")
        for one in answer.values():
            found |= shown(one)
    elif isinstance(answer, list):
        for one in answer:
            found |= shown(one)
    return found
