"""Patient/[id]/$why-not: why did nothing fire at this time?

The readings the caller may see, of some minutes before, are judged again by the rules of then; every
limit is shown beside the value it was held against. Of alerts it tells those whose Flags the caller may see.
"""

from datetime import datetime, timedelta
from typing import Final

from fhirserver.interactions.authorize import require_reading
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.read import read
from fhirserver.interactions.search import search
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.instant import instant
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.readings import Reading
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core.alert import Alert
from subscriptions.core.observation_reader import read_observation
from subscriptions.core.rule_parts import moment
from subscriptions.core.why_not import judged, why_not
from subscriptions.evaluation.rules_at import rules_then
from subscriptions.operations.monitoring_rules import asked_time
from subscriptions.response.incident_record import alerts_seen
from subscriptions.store import alert_rows, silence_rows
from subscriptions.store.silence_rows import Use

_LOOK_BACK: Final = timedelta(minutes=10)
_LONGEST: Final = 60
_INSTANT: Final = timedelta(milliseconds=1)
_PAGE: Final = "1000"


async def run(context: Context, call: Call) -> Answer:
    """Return Parameters. Raises `NotFound`, `Gone`, `Forbidden`, `BadRequest`, `TooCostly`."""
    await read(context, "Patient", call.id)
    require_reading(context, "Observation", call.id)
    at = asked_time(call, "at") or context.store.now()
    if at > context.store.now():
        raise BadRequest("at lies in the future.")
    minutes = call.parameters.number("minutes")
    if minutes is not None and not 1 <= minutes <= _LONGEST:
        message = f"minutes is between 1 and {_LONGEST}."
        raise BadRequest(message)
    since = at - (_LOOK_BACK if minutes is None else timedelta(minutes=minutes))
    observations = await _observations(context, call.id, since, at)
    rules = await rules_then(context, call.id, at)
    async with context.store.transaction(context.tenant) as tx:
        readings = await _readings(tx, call.id, observations)
        alerts = await _open_at(tx, call.id, at)
    seen = await alerts_seen(context, call.id, alerts)
    return Answer(why_not(judged(rules, readings, alerts, at), seen, since, at))


async def _observations(
    context: Context, patient: str, since: datetime, at: datetime
) -> list[Json]:
    found: list[Json] = []
    pairs = [
        ("patient", patient),
        ("date", f"ge{instant(since)}"),
        ("date", f"le{instant(at)}"),
        ("_count", _PAGE),
    ]
    cursor: str | None = None
    while True:
        page = (
            await search(
                context, "Observation", pairs if cursor is None else [*pairs, ("_cursor", cursor)]
            )
        ).page
        found += [fhir_json.read_own(one.content) for one in page.entries]
        cursor = page.cursor
        if cursor is None:
            return found


async def _readings(tx: Transaction, patient: str, observations: list[Json]) -> list[Reading]:
    uses: dict[str, list[Use]] = {}
    readings: list[Reading] = []
    for one in observations:
        received = moment(one["meta"]["lastUpdated"])
        if received is None:
            continue
        by = str(one.get("device", {}).get("reference", ""))
        if by not in uses:
            uses[by] = await _uses(tx, by, patient)
        plain = read_observation(one, patient=patient, received=received, bound=False, mode=None)
        readings += [
            reading._replace(bound=any(use.covers(reading.effective) for use in uses[by]))
            for reading in plain
        ]
    return sorted(readings, key=lambda one: one.effective)


async def _uses(tx: Transaction, reference: str, patient: str) -> list[Use]:
    """Return when `patient` used the device, or the device of the measure, that `reference` names."""
    kind, _, id_ = reference.partition("/")
    if kind == "DeviceMetric":
        metric = await tx.get("DeviceMetric", id_)
        source = {} if metric is None else metric.get("source", {})
        kind, _, id_ = str(source.get("reference", "")).partition("/")
    return [] if kind != "Device" else await silence_rows.uses(tx, id_, patient)


async def _open_at(tx: Transaction, patient: str, at: datetime) -> list[Alert]:
    return await alert_rows.present_between(tx, patient, at, at + _INSTANT)


WHY_NOT: Final = Operation(
    "why-not",
    INSTANCE,
    frozenset({"Patient"}),
    affects_state=False,
    run=run,
    inputs=(Input("at", "dateTime"), Input("minutes", "positiveInt")),
)
