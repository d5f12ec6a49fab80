"""$job and $jobs: how far work is that takes longer than a request, its outcome, and a way to stop it.

`GET $job?id=` answers 202 with X-Progress while the work goes on, then what it returned, for 24
hours; DELETE on the same URL ends it. Callers see their own jobs, administrators all of a tenant.

Spec: https://hl7.org/fhir/R4/async.html
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.deferred_outcome import shown_content
from fhirserver.interactions.operation import SYSTEM, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.parameters import Row, groups, parts
from fhirserver.kernel.errors import NotFound
from fhirserver.kernel.instant import instant
from fhirserver.kernel.jobs import JobStatus
from fhirserver.kernel.resource import Json

RETRY_AFTER_SECONDS: Final = 1


def job_location(base: str, id_: str) -> str:
    """Return the URL at which a job is asked about and ended."""
    return f"{base}/$job?id={id_}"


def accepted(base: str, id_: str) -> Answer:
    """Return the 202 answer to a request that became the job `id_`."""
    return Answer(status=202, headers=(("content-location", job_location(base, id_)),))


async def job(context: Context, call: Call) -> Answer:
    """Return how a job stands, or what came of it.

    Raises `NotFound`, and `Forbidden` for an outcome that holds what the caller may not see any more.
    """
    id_ = call.parameters.text("id") or ""
    status = await context.store.jobs.status(context.tenant, id_, context.access)
    if status is None or status.state == "cancelled":
        raise _unknown(id_)
    if status.state == "done":
        content = shown_content(status.kind, status.outcome or b"", context.access)
        return Answer(content=content or None, status=200 if content else 204)
    if status.state == "failed":
        return Answer(content=status.problem, status=status.problem_status)
    headers = (("x-progress", progress(status)), ("retry-after", str(RETRY_AFTER_SECONDS)))
    found: Json = {"resourceType": "Parameters", "parameter": parts(_described(status))}
    return Answer(found, status=202, headers=headers)


async def end(context: Context, call: Call) -> Answer:
    """Stop a job, or forget a finished one. Raises `NotFound`."""
    id_ = call.parameters.text("id") or ""
    if not await context.store.jobs.cancel(context.tenant, id_, context.access):
        raise _unknown(id_)
    return Answer(status=202)


async def jobs(context: Context, _call: Call) -> Answer:
    """Return Parameters with one `job` per job of the last 24 hours, the newest first."""
    listed = await context.store.jobs.listed(context.tenant, context.access)
    return Answer(
        groups("job", [_described(one, fault=context.access.everything) for one in listed])
    )


def progress(status: JobStatus) -> str:
    """Return one line for X-Progress (at most 100 characters)."""
    if status.state == "waiting":
        return "waiting"
    if status.total is None:
        return f"{status.progress} done"
    return f"{status.progress} of {status.total}"


def _described(status: JobStatus, *, fault: bool = False) -> list[Row]:
    """Return what is told of a job; `fault`: with the operator's line about its failure."""
    return [
        ("id", "valueId", status.id),
        ("kind", "valueCode", status.kind),
        ("state", "valueCode", status.state),
        ("progress", "valueDecimal", status.progress),
        ("total", "valueDecimal", status.total),
        ("submitted", "valueInstant", instant(status.submitted)),
        ("finished", "valueInstant", status.finished and instant(status.finished)),
        ("fault", "valueString", status.fault if fault else None),
    ]


def _unknown(id_: str) -> NotFound:
    return NotFound(f"There is no job {id_!r}.")


JOB: Final = Operation(
    "job",
    SYSTEM,
    None,
    affects_state=False,
    run=job,
    inputs=(Input("id", "id", least=1),),
    delete=end,
)
JOBS: Final = Operation("jobs", SYSTEM, None, affects_state=False, run=jobs)
