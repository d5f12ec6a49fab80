"""Every request is told to the audit: what it asked for, who asked, whose records it was shown, how it ended.

Entries of a batch are requests of their own here. What a request writes is told within its transaction
(`fhirserver.auditing.trail`), the rest at its end.

Spec: https://profiles.ihe.net/ITI/BALP/
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from fhirserver.auditing.refusals import Refusals
from fhirserver.auditing.trail import TRAIL, Trail, patients_shown
from fhirserver.definitions.patient_of import patient_filter
from fhirserver.kernel.audit import FAILED, REFUSED, Actor, Auditing, Happening, Outcome, What
from fhirserver.kernel.errors import FhirError
from fhirserver.kernel.principal import Access
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import ClientGoneError, Request
from fhirserver.rest.route import Route

Run = Callable[[Request, str, Access], Awaitable[Reply]]

# A longer query is kept up to here.
MAX_QUERY: Final = 16_384
# Patients named in a query that are each told of.
MAX_NAMED: Final = 100
_BY_QUERY: Final = frozenset({"search", "operation", "disclosed"})
_CODES: Final[dict[str, What]] = {
    "read": "read",
    "vread": "vread",
    "update": "update",
    "patch": "patch",
    "delete": "delete",
    "create": "create",
    "transaction": "batch",
    "history-instance": "history",
    "history-type": "history",
    "history-system": "history",
    "search-type": "search",
    "search-system": "search",
}
_ASKS: Final = frozenset({"search", "history", "operation", "disclosed"})
_FAULT: Final = 500
# Operations that hand a record out to be taken away: disclosures.
_EXPORTS: Final = frozenset({"everything", "evidence"})


class Audited:
    """The audit of one FHIR API."""

    def __init__(
        self, auditing: Auditing, clock: Callable[[], datetime], refusals: Refusals
    ) -> None:
        """Tell `auditing`; `clock` is aware UTC. `refusals` are told of callers whom nobody knows."""
        self._auditing = auditing
        self._clock = clock
        self._refusals = refusals

    async def answered(self, request: Request, path: str, access: Access, run: Run) -> Reply:
        """Return what `run` answers, after the audit was told. Raises what it raises."""
        trail = self._trail(request, access)
        token = TRAIL.set(trail)
        try:
            reply = await run(request, path, access)
        except FhirError as error:
            await self._refused(trail, request, path, error.status)
            raise
        except ClientGoneError:
            raise
        except Exception:
            await self._refused(trail, request, path, _FAULT)
            raise
        finally:
            TRAIL.reset(token)
        if reply.status >= 400:
            await self._refused(trail, request, path, reply.status)
        elif not trail.written and trail.what != "batch":
            await self._auditing.report(_told(trail, request))
        return reply

    async def refused(self, request: Request, path: str, access: Access, status: int) -> None:
        """Tell of a request of somebody known that nothing was begun for."""
        await self._refused(self._trail(request, access), request, path, status)

    async def stranger(self, request: Request, path: str, status: int) -> None:
        """Tell of a request that got no further than the door."""
        await self._refusals.tell(request.address, status, _line(request, path), request.request_id)

    def _trail(self, request: Request, access: Access) -> Trail:
        around = TRAIL.get()
        address = request.address
        # One that the server made says nothing to whoever asked; where it refused, it stands in its log.
        request_id = request.request_id if b"x-request-id" in request.headers else ""
        if around is not None:
            address = address or around.actor.address
            request_id = request_id or around.request_id
        actor, emergencies = _who(access, address)
        trail = Trail(access.principal.tenant, "operation", self._clock(), actor, request_id)
        if emergencies:
            trail.emergencies = emergencies
        return trail

    async def _refused(self, trail: Trail, request: Request, path: str, status: int) -> None:
        outcome: Outcome = FAILED if status >= _FAULT else REFUSED
        query = _line(request, path)
        patients = trail.named | _named(query)
        thing = f"{request.resource_type}/{request.id}" if request.id else ""
        if request.resource_type == "Patient" and request.id:
            thing, patients = "", patients | {request.id}
        await self._auditing.report(
            Happening(
                trail.tenant,
                trail.what,
                trail.at,
                trail.actor,
                outcome,
                patients,
                (thing,) if thing else (),
                query,
                request.request_id or trail.request_id,
                detail=str(status),
            )
        )


@lru_cache(maxsize=1_024)
def _who(access: Access, address: str) -> tuple[Actor, frozenset[str]]:
    """Return the caller, and the patients that they see in an emergency only."""
    principal = access.principal
    urgent = {one.patient for one in access.bonds if one.basis == "break-glass"}
    ordinary = {one.patient for one in access.bonds if one.basis != "break-glass"}
    actor = Actor(
        principal.reference, principal.kind, access.client or "", access.account or "", address
    )
    return actor, frozenset(urgent - ordinary)


def matched(route: Route, request: Request, path: str) -> None:
    """Note what the request in progress asks for."""
    trail = TRAIL.get()
    if trail is None:
        return
    trail.what = "operation" if route.operation else _CODES[route.code]
    if route.code in _EXPORTS and route.operation:
        trail.what = "disclosed"
    if request.query or trail.what in _ASKS:
        trail.query = _url(request, path)


def _told(trail: Trail, request: Request) -> Happening:
    patients = patients_shown(trail.shown)
    if request.form:
        trail.query = (trail.query + (b"&" if request.query else b"?") + request.form)[:MAX_QUERY]
    if trail.what in _BY_QUERY:
        patients |= _named(trail.query)
    objects: tuple[str, ...] = ()
    if trail.what in ("read", "vread") and len(trail.shown) == 1:
        one = trail.shown[0]
        objects = (f"{one.type}/{one.id}/_history/{one.version}",)
    elif request.id:
        objects = (f"{request.resource_type}/{request.id}",)
    told = trail.happening(trail.what, patients, objects)
    if trail.what == "disclosed":
        actor = trail.actor
        to = actor.reference or actor.client or actor.kind
        return replace(told, recipient=to, detail="export")
    return told


@lru_cache(maxsize=512)
def _named(query: bytes) -> frozenset[str]:
    text = query.decode("latin-1").partition("?")[2]
    found = sorted(patient_filter(text)) if "=" in text else []
    return frozenset(found[:MAX_NAMED])


def _url(request: Request, path: str) -> bytes:
    url = path.encode("utf-8", "replace")
    if request.query:
        url += b"?" + request.query
    return url[:MAX_QUERY]


def _line(request: Request, path: str) -> bytes:
    return request.method.encode() + b" " + _url(request, path)
