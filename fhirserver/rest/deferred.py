"""Prefer: respond-async: the request is kept as a job, carried out by a worker, and its answer fetched later.

It runs with the rights its owner has then, entry by entry, and is given out by those of whoever asks for it. The
outcome is a batch-response with the one answer. A request that may have changed something is not carried
out a second time when the worker died over it: its answer says so.

Spec: https://hl7.org/fhir/R4/async.html
"""

import base64
import json
from typing import Any, Final

from fhirserver.auth.kept_scopes import grant_in, grant_with, text_of
from fhirserver.interactions import deferred_outcome
from fhirserver.interactions.context import Context
from fhirserver.interactions.operations.job import job_location
from fhirserver.kernel.errors import Conflict, FhirError
from fhirserver.kernel.jobs import JobCancelled, JobLost, Running
from fhirserver.kernel.principal import Grant
from fhirserver.rest import bundles, replies
from fhirserver.rest.failures import failed
from fhirserver.rest.inner import Door, received
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import MAX_BUNDLE, Request

KIND: Final = deferred_outcome.KIND
_BEGUN: Final = b"begun"
# What a request means depends on these; credentials are not among them.
_KEPT: Final = (b"content-type", b"if-match", b"if-none-match", b"if-none-exist",
                b"if-modified-since", b"x-security-context")  # fmt: skip


async def hand_in(request: Request, path: str, context: Context) -> Reply:
    """Keep `request` as a job and answer where its outcome will be."""
    content = await request.body(MAX_BUNDLE)
    kept: dict[str, Any] = {
        "method": request.method,
        "path": path,
        "query": base64.b64encode(request.query).decode(),
        "headers": {
            name.decode(): request.headers[name].decode("latin-1")
            for name in _KEPT
            if name in request.headers
        },
        "prefer": request.headers.get(b"prefer", b"").decode("latin-1"),
        "grant": text_of(grant_with(context.access)),
        "body": base64.b64encode(content).decode(),
    }
    job = await context.store.jobs.submit(
        context.tenant, KIND, json.dumps(kept).encode(), context.principal, kept["grant"]
    )
    return replies.accepted(job_location(context.base, job))


def grant_of(running: Running) -> Grant:
    """Return who handed the request in, and what their token was for."""
    held = json.loads(running.request)["grant"]
    return grant_in(held, running.owner) if held else Grant(running.owner)


async def run(running: Running, door: Door) -> bytes:
    """Carry out the kept request and return the Bundle that holds its answer."""
    kept = json.loads(running.request)
    headers = {name.encode(): text.encode("latin-1") for name, text in kept["headers"].items()}
    preferred = [one for one in kept["prefer"].split(",") if "respond-async" not in one.lower()]
    if preferred:
        headers[b"prefer"] = ",".join(preferred).encode("latin-1")
    request = Request(
        kept["method"],
        headers,
        base64.b64decode(kept["query"]),
        received(base64.b64decode(kept["body"])),
    )
    # Entries of a bundle come through the same door, which asks each time what the owner may do now.
    request.door = door
    reply = await _answer(running, door, request, kept["path"])
    return bundles.responses("batch-response", [reply]).body


async def _answer(running: Running, door: Door, request: Request, path: str) -> Reply:
    if running.saved == _BEGUN and not door.is_safe(request.method, path):
        message = "The server stopped while it carried this out; look whether it was stored."
        return replies.refusal(Conflict(message))
    try:
        await running.advance(0, 1, _BEGUN)
        return await door.answer(request, path)
    except FhirError as error:
        return replies.refusal(error)
    except (JobLost, JobCancelled):
        raise
    except Exception as error:  # noqa: BLE001 - the owner gets an answer, the operator the cause
        return failed(error, {"method": request.method, "type": "job"})
