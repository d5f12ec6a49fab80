"""$retention, $set-retention, $apply-retention: how long a tenant keeps what, for administrators.

Without a policy everything is kept. A policy is applied once a day by itself, and at once by
`$apply-retention`, as a job. Whatever it says, the evidence of incidents stays.
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import SYSTEM, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.operations.job import accepted
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json
from fhirserver.kernel.retention import RetentionPolicy

KIND: Final = "retention"
MOST_DAYS: Final = 36_525
_FIELDS: Final = {
    "historyDays": "history_days",
    "telemetryDays": "telemetry_days",
    "auditDays": "audit_days",
}


async def retention(context: Context, _call: Call) -> Answer:
    """Return Parameters with the days of each kind that is not kept for ever."""
    return _answer(await context.store.retention(context.tenant))


async def set_retention(context: Context, call: Call) -> Answer:
    """Replace the policy: what is not given is kept for ever. Return it as it stands now.

    Raises `BadRequest` for more days than a century has.
    """
    days = {field: call.parameters.number(name) for name, field in _FIELDS.items()}
    if any(one is not None and one > MOST_DAYS for one in days.values()):
        message = f"At most {MOST_DAYS} days; leave out what shall be kept for ever."
        raise BadRequest(message)
    policy = RetentionPolicy(**days)
    await context.store.set_retention(context.tenant, policy)
    return _answer(policy)


async def apply_retention(context: Context, _call: Call) -> Answer:
    """Start a job that applies the policy and answer 202 with where to ask about it."""
    id_ = await context.store.jobs.submit(context.tenant, KIND, b"", context.principal)
    return accepted(context.base, id_)


def _answer(policy: RetentionPolicy) -> Answer:
    rows = [
        {"name": name, "valuePositiveInt": getattr(policy, field)}
        for name, field in _FIELDS.items()
        if getattr(policy, field) is not None
    ]
    found: Json = {"resourceType": "Parameters"}
    return Answer(found | {"parameter": rows} if rows else found)


RETENTION: Final = Operation(
    "retention", SYSTEM, None, affects_state=False, run=retention, administrators=True
)
SET_RETENTION: Final = Operation(
    "set-retention",
    SYSTEM,
    None,
    affects_state=True,
    run=set_retention,
    inputs=tuple(Input(name, "positiveInt") for name in _FIELDS),
    administrators=True,
)
APPLY_RETENTION: Final = Operation(
    "apply-retention", SYSTEM, None, affects_state=True, run=apply_retention, administrators=True
)
