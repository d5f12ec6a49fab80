"""The server's HTTP application, put together from explicit parts.

A small FastAPI shell carries health, the demo redirect and routes other parts bring. The FHIR API
is a plain ASGI application in front of it: on the way through the shell a request would meet
middleware that costs more than everything the API itself does for a read.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from os import urandom
from typing import Final

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from fhirserver.auditing.refusals import Refusals
from fhirserver.definitions import Definitions
from fhirserver.interactions.capability_statement import Product
from fhirserver.interactions.operation import Operation
from fhirserver.interactions.operations import OPERATIONS
from fhirserver.kernel.audit import NOTHING_AUDITED, Auditing
from fhirserver.kernel.canonical import BASE
from fhirserver.kernel.ports import ChangeObserver, RecordStore
from fhirserver.kernel.resource import Json
from fhirserver.rest.audited import Audited
from fhirserver.rest.callers import Callers
from fhirserver.rest.cors import ANY, Origins
from fhirserver.rest.doors import Doors
from fhirserver.rest.envelope import Envelope
from fhirserver.rest.fhir import FhirApi
from fhirserver.rest.health import Readiness, health
from fhirserver.rest.operation_routes import operation_routes
from fhirserver.rest.pages import METADATA, OPENAPI, Pages
from fhirserver.rest.rate_limits import Limits, Rates
from fhirserver.rest.requests import Receive, Scope, Send
from fhirserver.rest.route import Route
from fhirserver.rest.routes import PATCH_FORMATS, ROUTES, conditional_capabilities

FHIR: Final = "/fhir"
# The authorization server's, though it lies below the FHIR base: JSON whatever is asked for.
_DISCOVERY: Final = f"{FHIR}/.well-known/"


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _request_ids() -> Callable[[], str]:
    """Return what names requests: told apart from those of every other process by chance, from each other by number."""
    process, numbers = urandom(8).hex(), count()
    return lambda: f"{process}{next(numbers):016x}"


def _no_topics(_definitions: Definitions) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Services:
    """What the application is made of.

    `base` is the public FHIR base URL without trailing slash (``http://127.0.0.1:8080/fhir``); its
    path is not used for routing, the API is always at ``/fhir``. `access_epoch` returns the newest
    access epoch this process knows, without waiting. `topics` returns the canonicals of the
    SubscriptionTopics to advertise to those with these definitions. `demo_page` is where ``/``
    leads in demo mode, None otherwise. `extra_routes` are Starlette routes outside the
    FHIR API that authenticate by themselves; `extra_fhir_routes` extend the route table, and with it
    the CapabilityStatement; `operations` are those of other parts, beside the record's own.
    `definitions_of` returns a tenant's definitions without waiting; without it every tenant has
    `definitions`. `origins` are those whose pages may call the FHIR API, ``*`` for any;
    `registered_origins` returns those of apps, without waiting. `oauth_uris` is the extension of the
    CapabilityStatement that says where apps get tokens. `rates`
    is how often one caller may ask. `auditing` is told of every request, None: of none.
    """

    store: RecordStore
    definitions: Definitions
    observer: ChangeObserver
    base: str
    version: str
    readiness: Readiness
    # Where nobody follows the epoch, it is another one each time: nothing is remembered.
    access_epoch: Callable[[], int] = field(default_factory=lambda: count().__next__)
    topics: Callable[[Definitions], Sequence[str]] = _no_topics
    demo_page: str | None = None
    extra_routes: Sequence[BaseRoute] = ()
    extra_fhir_routes: Sequence[Route] = ()
    operations: Sequence[Operation] = ()
    definitions_of: Callable[[int], Definitions] | None = None
    origins: Sequence[str] = (ANY,)
    registered_origins: Callable[[], frozenset[bytes]] = frozenset
    oauth_uris: Json | None = None
    rates: Rates = field(default_factory=Rates)
    auditing: Auditing | None = None
    clock: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    new_request_id: Callable[[], str] = field(default_factory=_request_ids)


def application(services: Services) -> Envelope:
    """Return the ASGI application to be run by uvicorn."""
    shell = FastAPI(
        title="FHIR server for home dialysis safety",
        version=services.version,
        openapi_url=None,
    )
    shell.include_router(health(services.readiness))
    if services.demo_page is not None:
        _redirect(shell, services.demo_page)
    shell.router.routes.extend(services.extra_routes)
    limits = Limits(services.rates, services.monotonic)
    refusals = Refusals(services.auditing or NOTHING_AUDITED, services.clock)
    return Envelope(
        Doors(_Front(shell, fhir_api(services, limits, refusals)), limits, refusals.tell),
        new_request_id=services.new_request_id,
        strict_transport=services.base.startswith("https://"),
        origins=Origins(services.origins, services.registered_origins),
    )


def fhir_api(
    services: Services, limits: Limits | None = None, refusals: Refusals | None = None
) -> FhirApi:
    """Return the FHIR API alone, as it is mounted at ``/fhir``; it counts requests by `limits`."""
    operations = (*OPERATIONS, *services.operations)
    routes = (*ROUTES, *operation_routes(services.operations), *services.extra_fhir_routes)
    base = services.base.rstrip("/")
    known = services.definitions
    of_tenant = services.definitions_of or (lambda _tenant: known)
    product = Product(
        version=services.version,
        base=base,
        started=services.clock(),
        conditional=conditional_capabilities(routes),
        patch_formats=PATCH_FORMATS,
        oauth_uris=services.oauth_uris,
        operations={
            one.code: one.definition or f"{BASE}OperationDefinition/{one.code}"
            for one in operations
        },
    )
    pages = Pages(
        routes,
        operations,
        product,
        services.topics,
        lambda tenant: known if tenant is None else of_tenant(tenant),
    )
    callers = Callers(
        services.store,
        access_epoch=services.access_epoch,
        clock=services.clock,
        monotonic=services.monotonic,
        limits=limits or Limits(services.rates, services.monotonic),
    )
    return FhirApi(
        routes=routes,
        store=services.store,
        definitions=known,
        definitions_of=of_tenant,
        observer=services.observer,
        callers=callers,
        base=base,
        pages={METADATA: pages.metadata, OPENAPI: pages.openapi},
        audit=_audited(services, refusals),
    )


def _audited(services: Services, refusals: Refusals | None) -> Audited | None:
    auditing, clock = services.auditing, services.clock
    if auditing is None:
        return None
    return Audited(auditing, clock, refusals or Refusals(auditing, clock))


class _Front:
    """Hands requests below ``/fhir`` to the FHIR API before the shell routes anything."""

    def __init__(self, shell: ASGIApp, api: FhirApi) -> None:
        self._shell = shell
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == f"/{OPENAPI}":
            # Tools look for it at the root as well.
            path = scope["path"] = f"{FHIR}/{OPENAPI}"
        is_fhir = path.startswith(FHIR + "/") and not path.startswith(_DISCOVERY)
        if is_fhir or path == FHIR:
            scope["root_path"] = FHIR
            await self._api(scope, receive, send)
        else:
            await self._shell(scope, receive, send)


def _redirect(shell: FastAPI, target: str) -> None:
    @shell.get("/", include_in_schema=False)
    async def demo() -> RedirectResponse:
        return RedirectResponse(target, status_code=307)
