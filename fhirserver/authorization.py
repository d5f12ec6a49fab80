"""The authorization server of one process, put together."""

import time
from dataclasses import dataclass
from typing import cast

from starlette.routing import Route

from fhirserver.access_epoch import AccessEpoch
from fhirserver.kernel.audit import Auditing
from fhirserver.kernel.resource import Json
from fhirserver.settings import Settings
from fhirserver.smart.application import routes
from fhirserver.smart.client_keys import ClientKeys, Fetch
from fhirserver.smart.client_origins import ClientOrigins
from fhirserver.smart.discovery import Addresses, oauth_uris
from fhirserver.smart.people import People
from fhirserver.smart.published_keys import PublishedKeys
from fhirserver.smart.server import Registration, authorization_server
from fhirserver.store.record import Record


@dataclass(frozen=True, slots=True)
class Authorization:
    """Its routes, the origins of its apps (to be followed), and what the CapabilityStatement says of it."""

    routes: tuple[Route, ...]
    origins: ClientOrigins
    oauth_uris: Json


def authorization(
    settings: Settings,
    record: Record,
    people: People,
    epoch: AccessEpoch,
    fetch: Fetch,
    *,
    auditing: Auditing,
    first_tenant: str,
) -> Authorization:
    """Return it; `fetch` gets key sets from URLs of clients, `first_tenant` is where strangers' clients belong."""
    store = record.authorizations
    at = Addresses(settings.base_url, settings.fhir_base)

    async def tenant_of_strangers() -> int:
        return await record.ensure_tenant(first_tenant)

    server = authorization_server(
        store=store,
        record=record,
        people=people,
        at=at,
        client_keys=ClientKeys(fetch, time.monotonic),
        keys=PublishedKeys(store, time.monotonic),
        auditing=auditing,
        registration=cast("Registration", settings.client_registration),
        tenant_of_strangers=tenant_of_strangers,
    )
    return Authorization(
        tuple(routes(server)),
        ClientOrigins(store, epoch.current),
        oauth_uris(at, registers=server.registers),
    )
