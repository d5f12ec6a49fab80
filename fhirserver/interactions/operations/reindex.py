"""$reindex: search keys made anew, as a job, while everything goes on; and how far custom parameters are.

A SearchParameter that is stored is indexed by every write from then on, but may be searched only when
the resources written before have been gone through. `$index-status` tells which are and which are not.
"""

from typing import Final

import orjson

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, SYSTEM, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.operations.job import accepted, progress
from fhirserver.interactions.read import read
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.jobs import JobStatus
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json

KIND: Final = "reindex"


async def reindex(context: Context, call: Call) -> Answer:
    """Start a job and answer 202 with where to ask about it. Raises `BadRequest` for an unknown type."""
    types = list(call.parameters.texts("type"))
    if call.type:
        types = [call.type]
    for one in types:
        if one not in context.definitions.resource_types:
            message = f"{one} is no resource type."
            raise BadRequest(message)
    request = orjson.dumps({"types": sorted(set(types)) or None})
    id_ = await context.store.jobs.submit(context.tenant, KIND, request, context.principal)
    return accepted(context.base, id_)


async def index_status(context: Context, call: Call) -> Answer:
    """Return Parameters with one `parameter` per custom SearchParameter: url, code, state and progress.

    `state` is enabled (it may be searched) or pending (run $reindex). Raises `NotFound`.
    """
    definitions = context.definitions
    pending = definitions.pending_parameters()
    running = [
        one
        for one in await context.store.jobs.listed(context.tenant, context.access)
        if one.kind == KIND and one.state in ("waiting", "running")
    ]
    if call.id:
        wanted = [fhir_json.read((await read(context, call.type, call.id)).content)]
    else:
        wanted = sorted(definitions.canonicals(call.type), key=lambda one: str(one.get("url")))
    found: Json = {"resourceType": "Parameters"}
    rows = [_row(one, pending=one.get("url") in pending, running=running) for one in wanted]
    if rows:
        found["parameter"] = rows
    return Answer(found)


def _row(parameter: Json, *, pending: bool, running: list[JobStatus]) -> Json:
    part: list[Json] = [
        {"name": "url", "valueUri": parameter.get("url")},
        {"name": "code", "valueCode": parameter.get("code")},
        {"name": "state", "valueCode": "pending" if pending else "enabled"},
    ]
    if pending and running:
        part.append({"name": "job", "valueId": running[0].id})
        part.append({"name": "progress", "valueString": progress(running[0])})
    return {"name": "parameter", "part": [one for one in part if None not in one.values()]}


REINDEX: Final = Operation(
    "reindex",
    SYSTEM | TYPE,
    None,
    affects_state=True,
    run=reindex,
    inputs=(Input("type", "code", most=None),),
    administrators=True,
)
INDEX_STATUS: Final = Operation(
    "index-status",
    TYPE | INSTANCE,
    frozenset({"SearchParameter"}),
    affects_state=False,
    run=index_status,
)
