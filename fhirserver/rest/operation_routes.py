"""Operations as rows of the route table: GET where nothing is changed, POST always.

Spec: https://hl7.org/fhir/R4/operations.html#request
"""

from collections.abc import Iterable
from typing import Final, Literal

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import FHIR_JSON, Answer, Level, Operation, Run, perform
from fhirserver.rest import bundles, replies
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import Request
from fhirserver.rest.route import Handler, Route

Method = Literal["GET", "POST", "DELETE"]

_SHAPES: Final[dict[Level, str]] = {"system": "", "type": "{type}/", "instance": "{type}/{id}/"}


def operation_routes(operations: Iterable[Operation]) -> tuple[Route, ...]:
    """Return the routes of `operations`. Raises `ValueError` when two share a name."""
    routes: list[Route] = []
    names: set[str] = set()
    for operation in operations:
        if operation.code in names:
            message = f"${operation.code} is defined twice"
            raise ValueError(message)
        names.add(operation.code)
        for level in sorted(operation.levels):
            routes += _of_level(operation, level)
    return tuple(routes)


def _of_level(operation: Operation, level: Level) -> list[Route]:
    methods: dict[Method, Run] = {"POST": operation.run}
    if not operation.affects_state:
        methods = {"GET": operation.run, **methods}
    if operation.delete is not None:
        methods["DELETE"] = operation.delete
    return [
        Route(
            method,
            f"{_SHAPES[level]}${operation.code}",
            operation.code,
            level,
            _handler(operation, run),
            operation=True,
            types=None if level == "system" else operation.types,
            affects_state=operation.affects_state or method == "DELETE",
        )
        for method, run in methods.items()
    ]


def _handler(operation: Operation, run: Run) -> Handler:
    async def handle(request: Request, context: Context) -> Reply:
        pairs = request.pairs()
        body, content, media_type = None, b"", ""
        if request.method == "POST" and operation.own_body:
            content = await request.body()
            stated = request.header(b"content-type") or b""
            media_type = stated.decode("latin-1").partition(";")[0].strip().lower()
        elif request.method == "POST":
            body = await request.optional_resource()
        answer = await perform(
            operation,
            context,
            request.resource_type,
            request.id,
            pairs,
            body,
            run,
            (content, media_type),
        )
        return _reply(answer, context.base, _path(operation, request))

    return handle


def _path(operation: Operation, request: Request) -> str:
    parts = (request.resource_type, request.id, f"${operation.code}")
    return "/".join(part for part in parts if part)


def _reply(answer: Answer, base: str, path: str) -> Reply:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    if answer.page is not None and answer.query is not None:
        reply = bundles.searchset(answer.page, base, path, answer.query)
    elif answer.content is not None:
        reply = replies.ready_made(answer.content)
        if answer.media_type != FHIR_JSON:
            # Not under the content type of FHIR, so it never becomes XML.
            reply = Reply(200, [(b"content-type", answer.media_type.encode())], reply.body)
    elif answer.resource is not None:
        reply = replies.resource(answer.resource)
    else:
        return Reply(answer.status, headers)
    return Reply(answer.status, [*reply.headers, *headers], reply.body)
