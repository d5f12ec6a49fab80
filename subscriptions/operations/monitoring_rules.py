"""Patient/[id]/$monitoring-rules: every limit in force for a patient, and who set it.

Without `at` what the next reading is judged by, in whatever process; with it, what held then.
"""

from datetime import datetime, timedelta
from typing import Final

from fhirserver.interactions.authorize import require_reading
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.read import read
from fhirserver.kernel.errors import BadRequest
from subscriptions.core.monitoring_rules import monitoring_rules
from subscriptions.core.rule_parts import moment
from subscriptions.evaluation.rule_book import RuleBook
from subscriptions.evaluation.rules_at import rules_now, rules_then

# A clock a little ahead still means now.
_NOW: Final = timedelta(seconds=5)


def monitoring_rules_operation(book: RuleBook) -> Operation:
    """Return the operation over the rules that the engine of this process holds."""

    async def rules(context: Context, call: Call) -> Answer:
        """Return Parameters. Raises `NotFound`, `Gone`, `Forbidden`, `BadRequest` for what is no time."""
        await read(context, "Patient", call.id)
        require_reading(context, "Observation", call.id)
        at = asked_time(call, "at")
        now = context.store.now()
        if at is None or now - _NOW < at <= now + _NOW:
            in_force, at = await rules_now(context, book, call.id)
        elif at > now:
            raise BadRequest("at lies in the future; rules may still change until then.")
        else:
            in_force = await rules_then(context, call.id, at)
        return Answer(monitoring_rules(in_force, at))

    return Operation(
        "monitoring-rules",
        INSTANCE,
        frozenset({"Patient"}),
        affects_state=False,
        run=rules,
        inputs=(Input("at", "dateTime"),),
    )


def asked_time(call: Call, name: str) -> datetime | None:
    """Return the time a parameter asks for, None without. Raises `BadRequest`."""
    text = call.parameters.text(name)
    if text is None:
        return None
    at = moment(text)
    if at is None or len(text) <= len("2026-08-01"):
        message = f"{name} is a time with a zone, such as 2026-08-01T09:30:00Z."
        raise BadRequest(message)
    return at
