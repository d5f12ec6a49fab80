"""The FHIR API as a plain ASGI application: match, authenticate, run, answer.

No framework is involved: a read is the most frequent request there is, and a framework's request
and response objects cost several times what the read itself does.

Spec: https://hl7.org/fhir/R4/http.html
"""

from collections.abc import Mapping
from typing import Final

from fhirserver.definitions import Definitions
from fhirserver.interactions.admission import ID
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import FhirError, MethodNotAllowed, NotFound
from fhirserver.kernel.ports import ChangeObserver, RecordStore
from fhirserver.rest import replies
from fhirserver.rest.callers import Callers
from fhirserver.rest.failures import failed
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import ClientGoneError, Receive, Request, Scope, Send
from fhirserver.rest.routes import Route
from fhirserver.rest.sending import send_reply

METADATA: Final = "metadata"
_NOWHERE = "There is nothing at this URL."

Methods = Mapping[str, Route]


class FhirApi:
    """ASGI application for everything under the FHIR base URL."""

    def __init__(
        self,
        *,
        routes: tuple[Route, ...],
        store: RecordStore,
        definitions: Definitions,
        observer: ChangeObserver,
        callers: Callers,
        base: str,
        metadata: bytes,
    ) -> None:
        """`base` is the public URL without trailing slash, `metadata` the CapabilityStatement."""
        self._store = store
        self._definitions = definitions
        self._observer = observer
        self._callers = callers
        self._base = base
        self._metadata = metadata
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
        try:
            reply = await self._answer(scope, receive)
        except FhirError as error:
            reply = replies.refusal(error)
        except ClientGoneError:
            return
        except Exception as error:  # noqa: BLE001 - the last line: whatever it is, the caller gets an answer
            reply = failed(error, scope)
        await send_reply(reply, send, with_body=scope["method"] != "HEAD")

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        path: str = scope["path"][len(scope.get("root_path", "")) + 1 :]
        headers = dict(scope["headers"])
        method: str = scope["method"]
        request = Request(method, headers, scope["query_string"], receive)
        if path == METADATA and method in ("GET", "HEAD"):
            return self._capabilities(request)
        access = await self._callers.access(headers.get(b"authorization"))
        methods = self._match(path, request)
        route = methods.get(method)
        if route is None or (route.types is not None and request.resource_type not in route.types):
            return _method_refused(methods, method, request.resource_type)
        context = Context(access, self._store, self._definitions, self._observer, self._base)
        return await route.handler(request, context)

    def _match(self, path: str, request: Request) -> Methods:
        """Return the routes of the URL's shape after noting what it names. Raises `NotFound`."""
        if path == METADATA:
            return {}
        segments = path.split("/")
        count = len(segments)
        first = segments[0]
        if count == 1 and first.startswith("$"):
            return self._shape(first)
        if first not in self._types:
            raise NotFound(_NOWHERE)
        request.resource_type = first
        if count == 1:
            return self._shape("{type}")
        second = segments[1]
        if second[:1] in ("_", "$", ""):
            return self._shape("{type}/" + second if count == 2 else "")
        if request.method != "PUT" and ID.fullmatch(second) is None:
            # No such id can exist. (An update under one is told so: 400.)
            raise NotFound(_NOWHERE)
        request.id = second
        if count == 2:
            return self._shape("{type}/{id}")
        third = segments[2]
        if count == 3:
            return self._shape("{type}/{id}/" + third)
        if count == 4 and third == "_history":
            request.vid = segments[3]
            return self._shape("{type}/{id}/_history/{vid}")
        raise NotFound(_NOWHERE)

    def _shape(self, shape: str) -> Methods:
        methods = self._shapes.get(shape)
        if methods is None:
            raise NotFound(_NOWHERE)
        return methods

    def _capabilities(self, request: Request) -> Reply:
        request.no_parameters()
        return replies.ready_made(self._metadata)


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
