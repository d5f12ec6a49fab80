"""The FHIR API as a plain ASGI application: match, authenticate, run, answer.

No framework is involved: a read is the most frequent request there is, and a framework's request
and response objects cost several times what the read itself does.

Spec: https://hl7.org/fhir/R4/http.html
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from fhirserver.definitions import Definitions
from fhirserver.interactions.admission import ID
from fhirserver.interactions.context import Context
from fhirserver.interactions.deferred_outcome import kept
from fhirserver.kernel.errors import FhirError, MethodNotAllowed, NotFound
from fhirserver.kernel.jobs import Running
from fhirserver.kernel.ports import ChangeObserver, RecordStore
from fhirserver.kernel.principal import Access, Grant
from fhirserver.rest import audited, deferred, replies
from fhirserver.rest.audited import Audited
from fhirserver.rest.callers import Callers
from fhirserver.rest.doors import address_of
from fhirserver.rest.failures import failed
from fhirserver.rest.inner import received
from fhirserver.rest.preferences import preferences
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import ClientGoneError, Receive, Request, Scope, Send
from fhirserver.rest.route import Route
from fhirserver.rest.sending import deliver

_NOWHERE = "There is nothing at this URL."
# How a job is asked about; clients that always prefer respond-async must not be given a job for that.
_ASKING = "job"

Methods = Mapping[str, Route]
Page = Callable[[Request, int | None], Awaitable[Reply]]


class FhirApi:
    """ASGI application for everything under the FHIR base URL."""

    def __init__(  # noqa: PLR0913 - each is a part of its own
        self,
        *,
        routes: tuple[Route, ...],
        store: RecordStore,
        definitions: Definitions,
        definitions_of: Callable[[int], Definitions],
        observer: ChangeObserver,
        callers: Callers,
        base: str,
        pages: Mapping[str, Page],
        audit: Audited | None = None,
    ) -> None:
        """`base` is the public URL without trailing slash.

        `definitions` are those of R4, `definitions_of` those of one tenant.
        `pages` are the URLs that need no token, by their path, as functions of the request and of
        the tenant of a caller who brings a token nevertheless. Without `audit` nothing is audited.
        """
        self._store = store
        self._definitions_of = definitions_of
        self._observer = observer
        self._callers = callers
        self._base = base
        self._pages = pages
        self._audit = audit
        self._last: Context | None = None
        self._types = frozenset(definitions.resource_types)
        self._shapes: dict[str, dict[str, Route]] = {}
        for route in routes:
            methods = self._shapes.setdefault(route.shape, {})
            methods[route.method] = route
            if route.method == "GET":
                methods["HEAD"] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a websocket is closed, as there is none here."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        path: str = scope["path"][len(scope.get("root_path", "")) + 1 :]
        request = Request(scope["method"], dict(scope["headers"]), scope["query_string"], receive)
        request.address = address_of(scope)
        request.request_id = scope.get("state", {}).get("request_id", "")
        try:
            reply = await self._answer(request, path)
        except FhirError as error:
            reply = replies.refusal(error)
        except ClientGoneError:
            return
        except Exception as error:  # noqa: BLE001 - the last line: whatever it is, the caller gets an answer
            reply = failed(error, scope)
        await deliver(reply, request, send)

    async def _answer(self, request: Request, path: str) -> Reply:
        headers, method = request.headers, request.method
        page = self._pages.get(path)
        try:
            request.negotiate(path)
            if page is not None and method in ("GET", "HEAD"):
                return await page(request, await self._tenant(request))
            access = await self._callers.admit(headers.get(b"authorization"), request.address)
        except FhirError as error:
            if self._audit is not None:
                await self._audit.stranger(request, path, error.status)
            raise
        if preferences(headers.get(b"prefer")).respond_async and self._can_wait(request, path):
            return await self._hand_in(request, path, access)
        return await self.answer(request, path, access)

    async def answer(self, request: Request, path: str, access: Access) -> Reply:
        """Return the answer to `request` on `path` (below the base) for a caller with `access`. Raises `FhirError`."""
        if self._audit is None:
            return await self._run(request, path, access)
        return await self._audit.answered(request, path, access, self._run)

    async def _run(self, request: Request, path: str, access: Access) -> Reply:
        methods = self._match(path, request)
        route = methods.get(request.method)
        if route is None or (route.types is not None and request.resource_type not in route.types):
            return _method_refused(methods, request.method, request.resource_type)
        audited.matched(route, request, path)
        if route.code == "transaction" and request.door is None:
            request.door = _Door(self, access)
        return await route.handler(request, self._context(access))

    def count(self, access: Access, requests: int) -> None:
        """Count `requests` more of a caller with `access`. Raises `TooManyRequests`."""
        self._callers.count(access, requests)

    def is_safe(self, method: str, path: str) -> bool:
        """Return whether `method` on `path` changes nothing. Raises `NotFound` when there is nothing at that URL."""
        route = self._match(path, Request(method, {}, b"", received(b""))).get(method)
        return route is not None and not route.affects_state

    async def run_deferred(self, running: Running) -> bytes:
        """Carry out what was handed in with respond-async; the work of jobs of kind `deferred.KIND`."""
        door = _DeferredDoor(self, self._store, deferred.grant_of(running))
        begun = await door.access()
        content = await deferred.run(running, door)
        return kept(begun, await door.access(), content)

    def _can_wait(self, request: Request, path: str) -> bool:
        """Return whether there is something at the URL that may be done later."""
        try:
            route = self._match(path, request).get(request.method)
        except NotFound:
            return False
        return route is not None and route.code != _ASKING

    async def _hand_in(self, request: Request, path: str, access: Access) -> Reply:
        try:
            return await deferred.hand_in(request, path, self._context(access))
        except FhirError as error:
            if self._audit is not None:
                await self._audit.refused(request, path, access, error.status)
            raise

    def _context(self, access: Access) -> Context:
        definitions = self._definitions_of(access.principal.tenant)
        last = self._last
        if last is None or last.access is not access or last.definitions is not definitions:
            last = Context(access, self._store, definitions, self._observer, self._base)
            self._last = last
        return last

    def _match(self, path: str, request: Request) -> Methods:
        """Return the routes of the URL's shape after noting what it names. Raises `NotFound`."""
        if path in self._pages:
            return {}
        segments = path.split("/")
        count = len(segments)
        first = segments[0]
        if count == 1 and (first[:1] in ("$", "_") or not first):
            return self._shape(first)
        if first not in self._types:
            raise NotFound(_NOWHERE)
        request.resource_type = first
        if count == 1:
            return self._shape("{type}")
        second = segments[1]
        if second[:1] in ("_", "$", ""):
            return self._shape("{type}/" + second if count == 2 else "nowhere")
        if request.method != "PUT" and ID.fullmatch(second) is None:
            # No such id can exist. (An update under one is told so: 400.)
            raise NotFound(_NOWHERE)
        request.id = second
        if count == 2:
            return self._shape("{type}/{id}")
        return self._below(segments[2:], request)

    def _below(self, segments: Sequence[str], request: Request) -> Methods:
        """Return the routes of what lies below one resource."""
        third = segments[0]
        if third in self._types or third == "*":
            request.inner = third
            return self._shape("/".join(("{type}/{id}/{inner}", *segments[1:])))
        if len(segments) == 1:
            return self._shape("{type}/{id}/" + third)
        if len(segments) == 2 and third == "_history":
            request.vid = segments[1]
            return self._shape("{type}/{id}/_history/{vid}")
        raise NotFound(_NOWHERE)

    def _shape(self, shape: str) -> Methods:
        methods = self._shapes.get(shape)
        if methods is None:
            raise NotFound(_NOWHERE)
        return methods

    async def _tenant(self, request: Request) -> int | None:
        authorization = request.headers.get(b"authorization")
        if authorization is None:
            self._callers.admit_stranger(request.address)
            return None
        return (await self._callers.admit(authorization, request.address)).principal.tenant


class _Door:
    """The API as one caller may use it, for requests inside a request."""

    def __init__(self, api: FhirApi, access: Access) -> None:
        self._api = api
        self._access = access

    async def answer(self, request: Request, path: str) -> Reply:
        return await self._api.answer(request, path, self._access)

    def count(self, requests: int) -> None:
        self._api.count(self._access, requests)

    def is_safe(self, method: str, path: str) -> bool:
        return self._api.is_safe(method, path)


class _DeferredDoor:
    """The API for somebody who is not connected: what they may do is found out for each request."""

    def __init__(self, api: FhirApi, store: RecordStore, grant: Grant) -> None:
        self._api = api
        self._store = store
        self._grant = grant

    async def access(self) -> Access:
        """Return what the owner may touch now: nothing, when what they were given has been taken back."""
        return await self._store.access_now(self._grant)

    async def answer(self, request: Request, path: str) -> Reply:
        return await self._api.answer(request, path, await self.access())

    def count(self, requests: int) -> None:
        """Take no notice: such work is done one after the other, however much there is."""

    def is_safe(self, method: str, path: str) -> bool:
        return self._api.is_safe(method, path)


def _method_refused(methods: Methods, method: str, resource_type: str) -> Reply:
    allowed = [
        name
        for name, route in methods.items()
        if route.types is None or resource_type in route.types
    ]
    if methods and not allowed:
        raise NotFound(_NOWHERE)
    allowed = allowed or ["GET", "HEAD"]
    error = MethodNotAllowed(f"{method} is not possible here; {', '.join(allowed)} is.")
    reply = replies.refusal(error)
    reply.headers.append((b"allow", ", ".join(allowed).encode()))
    return reply
