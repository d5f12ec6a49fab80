"""The rules of one patient at a moment: now as the engine holds them, earlier as they were written then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fhirserver.interactions.context import Context
from fhirserver.interactions.history import history
from fhirserver.interactions.search import search
from fhirserver.kernel.errors import Forbidden, NotFound
from fhirserver.kernel.history import HistoryQuery
from fhirserver.kernel.resource import Json, Stored
from fhirserver.wire import fhir_json
from subscriptions.core.dry_weight import lightest
from subscriptions.core.rule import DryWeight, Rule, RuleSet
from subscriptions.core.rule_reader import holds, is_monitoring_order, read_defaults, read_order
from subscriptions.core.rules import compile_rules
from subscriptions.core.treatment_plan import dry_weight, goals_of, plans_treatments
from subscriptions.evaluation.defaults import PLAN_ID
from subscriptions.evaluation.rule_book import RuleBook, shipped_plan
from subscriptions.store import evaluation_rows

_ORDERS_AT_MOST = 200
_INSTANT = timedelta(milliseconds=1)


async def rules_now(context: Context, book: RuleBook, patient: str) -> tuple[RuleSet, datetime]:
    """Return the rules the next reading of `patient` is judged by, and the server's time."""
    async with context.store.transaction(context.tenant) as tx:
        buckets = {patient: tx.bucket(patient, "Patient", patient)}
        rows = await evaluation_rows.lock(tx, buckets)
        return (await book.of(tx, rows))[patient], tx.now


@dataclass(frozen=True, slots=True)
class Written:
    """What orders, plans and the default set say: the patient's `own` rules, the `defaults`, the dry `weight`."""

    own: list[Rule]
    defaults: Sequence[Rule]
    weight: DryWeight | None


async def rules_then(context: Context, patient: str, at: datetime) -> RuleSet:
    """Return the rules that orders, plans and default set, as they stood at `at`, made for `patient`.

    What was deleted since is not found any more; what machines limited then is not known.
    """
    said = await written(context, patient, at)
    return compile_rules(said.own, said.defaults, at, said.weight)


async def written(context: Context, patient: str, at: datetime) -> Written:
    """Return what was written at `at` about `patient`, as far as the caller may see it."""
    own: list[Rule] = []
    found = await search(
        context, "ServiceRequest", [("patient", patient), ("_count", str(_ORDERS_AT_MOST))]
    )
    for one in found.page.entries:
        stored = await _then(context, "ServiceRequest", one.id, at)
        order = None if stored is None else fhir_json.read_own(stored.content)
        if stored is not None and order is not None and is_monitoring_order(order) and holds(order):
            own += read_order(order, stored.version).rules
    weight = lightest(await _aims(context, patient, at))
    return Written(own, await _defaults(context, at), weight)


async def _aims(context: Context, patient: str, at: datetime) -> list[Json]:
    """Return the dry weights that treatment plans aimed at, by the version of their Goals."""
    aims: list[Json] = []
    asked = [("patient", patient), ("_count", str(_ORDERS_AT_MOST))]
    for one in (await search(context, "CarePlan", asked)).page.entries:
        plan = await _then(context, "CarePlan", one.id, at)
        content = None if plan is None else fhir_json.read_own(plan.content)
        for goal in goals_of(content) if content and plans_treatments(content) else ():
            stored = await _then(context, "Goal", goal, at)
            weight = None if stored is None else dry_weight(fhir_json.read_own(stored.content))
            if stored is not None and weight is not None:
                aims.append({f"Goal/{goal}/_history/{stored.version}": weight})
    return aims


async def _defaults(context: Context, at: datetime) -> Sequence[Rule]:
    stored = await _then(context, "PlanDefinition", PLAN_ID, at)
    plan: Json | None = None if stored is None else fhir_json.read_own(stored.content)
    if plan is not None and plan.get("status") == "active":
        read = read_defaults(plan)
        if read.rules and not read.problems:
            return read.rules
    return read_defaults(shipped_plan()).rules


async def _then(context: Context, type_: str, id_: str, at: datetime) -> Stored | None:
    """Return the version that was current at `at`, None where there was none the caller may see."""
    asked = HistoryQuery(type_, id_, 1, at=(at, at + _INSTANT))
    try:
        page = await history(context, asked)
    except (NotFound, Forbidden):
        return None
    return next((one for one in page.entries if not one.deleted), None)
