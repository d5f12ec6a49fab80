"""Patient/[id]/$preview-rules: what would this order have done in the last treatments?

A clinician who sets a limit sees, before it is in force, how often it would have called people, beside
how often the rules of today would have. Nothing is written.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from fhirserver.interactions.authorize import require_reading
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.parameters import parameters, parts
from fhirserver.interactions.read import read
from fhirserver.interactions.search import search
from fhirserver.kernel.canonical import SNOMED
from fhirserver.kernel.errors import BadRequest, Unprocessable
from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core.monitoring_rules import quantity
from subscriptions.core.rule import Rule
from subscriptions.core.rule_parts import moment
from subscriptions.core.rule_preview import Fired, fired, looked_at, of_today, proposed
from subscriptions.core.rule_reader import is_monitoring_order, read_order
from subscriptions.core.rules import compile_rules
from subscriptions.core.treatment_procedure import HEMODIALYSIS
from subscriptions.evaluation.rules_at import written

_SESSIONS: Final = 10
_MOST_SESSIONS: Final = 50
# A quantity measured each second for four hours is 14 400 values; judging these takes a second or two.
MOST_VALUES: Final = 200_000


@dataclass(frozen=True, slots=True)
class _Treatment:
    procedure: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class _Rules:
    """(own, default) rules with the order that is asked about, those of today, and what it says itself."""

    then: tuple[Sequence[Rule], Sequence[Rule]]
    today: tuple[Sequence[Rule], Sequence[Rule]]
    asked: Sequence[Rule]


async def run(context: Context, call: Call) -> Answer:
    """Return Parameters: each treatment, newest first, with what would have begun in it.

    Raises `NotFound`, `Gone`, `Forbidden`, `BadRequest`, and `Unprocessable` for an order that cannot be read.
    """
    await read(context, "Patient", call.id)
    require_reading(context, "Observation", call.id)
    order = _order(call)
    wanted = call.parameters.number("sessions") or _SESSIONS
    if wanted > _MOST_SESSIONS:
        message = f"sessions is between 1 and {_MOST_SESSIONS}."
        raise BadRequest(message)
    now = context.store.now()
    said = await written(context, call.id, now)
    source = f"ServiceRequest/{order.get('id', '')}"
    asked = proposed(read_order(order, 0).rules, said.weight, signed=call.parameters.flag("signed"))
    defaults = of_today(said.defaults, now, said.weight)
    own = of_today(said.own, now, said.weight)
    others = [rule for rule in own if rule.source != source]
    rules = _Rules(([*others, *asked], defaults), (own, defaults), asked)
    told: list[Json] = []
    left = MOST_VALUES
    totals = [0, 0]
    treatments = await _treatments(context, call.id, wanted)
    for one in treatments:
        values = await context.store.series(
            context.tenant, call.id, looked_at(asked), one.since, one.until, left + 1
        )
        left -= len(values)
        if left < 0:
            break
        # Seconds of pure thinking, beside which others are answered.
        new, old = [
            await asyncio.to_thread(fired, some, asked, values, one.until)
            for some in (rules.then, rules.today)
        ]
        totals = [totals[0] + len(new), totals[1] + len(old)]
        told.append({"name": "session", "part": _session(one, len(values), new, old)})
    ignored = compile_rules(rules.then[0], defaults, now).problems
    answer = parameters(
        ("left-out", "valueUnsignedInt", len(treatments) - len(told)),
        ("fires", "valueUnsignedInt", totals[0]),
        ("fires-today", "valueUnsignedInt", totals[1]),
        *(("ignored", "valueString", problem) for problem in ignored),
    )
    return Answer({**answer, "parameter": [*answer["parameter"], *told]})


def _order(call: Call) -> Json:
    order = call.parameters.resource("rule")
    assert order is not None, "declared as needed"
    if order.get("subject", {}).get("reference") not in (None, f"Patient/{call.id}"):
        raise BadRequest("The order is about somebody else.", expression="ServiceRequest.subject")
    problems = read_order(order, 0).problems
    if problems or not is_monitoring_order(order):
        message = "a monitoring rule cannot be read" if problems else "it has no monitoring rule"
        raise Unprocessable(message, problems=problems)
    return order


async def _treatments(context: Context, patient: str, most: int) -> list[_Treatment]:
    """Return the last treatments that are over, as far as the caller may see them, newest first."""
    asked = [
        ("patient", patient),
        ("code", f"{SNOMED}|{HEMODIALYSIS['code']}"),
        ("status", "completed"),
        ("_sort", "-date"),
        ("_count", str(most)),
    ]
    found: list[_Treatment] = []
    for one in (await search(context, "Procedure", asked)).page.entries:
        period = fhir_json.read_own(one.content).get("performedPeriod", {})
        since, until = (moment(period.get(side)) for side in ("start", "end"))
        if since is not None and until is not None:
            found.append(_Treatment(one.id, since, until))
    return found


def _session(
    one: _Treatment, values: int, new: Sequence[Fired], old: Sequence[Fired]
) -> list[Json]:
    period = {"start": instant(one.since), "end": instant(one.until)}
    return [
        *parts(
            [
                ("treatment", "valueReference", {"reference": f"Procedure/{one.procedure}"}),
                ("period", "valuePeriod", period),
                ("values", "valueUnsignedInt", values),
                ("fires", "valueUnsignedInt", len(new)),
                ("fires-today", "valueUnsignedInt", len(old)),
            ]
        ),
        *({"name": "alert", "part": _alert(alert)} for alert in new),
    ]


def _alert(alert: Fired) -> list[Json]:
    detail = alert.detail
    return parts(
        [
            ("at", "valueInstant", instant(alert.at)),
            ("priority", "valueCode", alert.priority),
            ("display", "valueString", alert.display),
            ("reason", "valueString", detail.get("reason")),
            ("value", "valueQuantity", _quantity(detail, "value")),
            ("limit", "valueQuantity", _quantity(detail, "limit")),
        ]
    )


def _quantity(detail: Any, name: str) -> Json | None:
    unit, value = detail.get("unit"), detail.get(name)
    return None if unit is None or value is None else quantity(Decimal(value), unit)


PREVIEW_RULES: Final = Operation(
    "preview-rules",
    INSTANCE,
    frozenset({"Patient"}),
    affects_state=False,
    run=run,
    inputs=(
        Input("rule", "ServiceRequest", least=1, whole_body=True),
        Input("sessions", "positiveInt"),
        Input("signed", "boolean"),
    ),
)
