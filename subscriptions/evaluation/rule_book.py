"""The rules in force, remembered per process and checked against each row's version.

A rule change writes a new version in the transaction that stores the order; the next reading of
that patient, in whatever process, sees it. Versions are random: a rolled-back change can never be
mistaken for one that happened.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from importlib import resources
from typing import Any, Final
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core import device_limits
from subscriptions.core.default_rules import DefaultRules
from subscriptions.core.dry_weight import lightest
from subscriptions.core.rule import Rule, RuleSet
from subscriptions.core.rule_reader import read_defaults, read_order
from subscriptions.store import evaluation_rows
from subscriptions.store.evaluation_rows import DEFAULTS, EvaluationRow

PURPOSE: Final = "rule-set"
# About 6 kB each, where a machine's own limits are all there is.
_REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True)
class _Known:
    rules: int
    defaults: int
    set: RuleSet


def shipped_plan() -> Json:
    """Return the default PlanDefinition this version ships."""
    text = (
        resources.files("subscriptions.content").joinpath("default-rules.json").read_text("utf-8")
    )
    plan: Any = json.loads(text, parse_float=Decimal)
    return dict(plan)


def new_version(tx: Transaction) -> int:
    """Return a version no other write has."""
    return UUID(tx.new_id(None)).int & 0x7FFF_FFFF_FFFF_FFFF


class RuleBook:
    """Compiled rule sets of patients.

    `shipped` holds where a tenant has no usable default set of its own.
    """

    def __init__(self, shipped: Sequence[Rule] | None = None) -> None:
        self._shipped = tuple(read_defaults(shipped_plan()).rules if shipped is None else shipped)
        self._defaults: dict[int, tuple[int, tuple[Rule, ...]]] = {}
        self._compiled: dict[int, tuple[int, DefaultRules]] = {}
        self._common: dict[int, _Known] = {}
        self._own: dict[tuple[int, str], _Known] = {}

    async def of(self, tx: Transaction, rows: Sequence[EvaluationRow]) -> Mapping[str, RuleSet]:
        """Return the rules in force for the patients of `rows`."""
        found: dict[str, RuleSet] = {}
        missing: list[EvaluationRow] = []
        now = tx.now
        for row in rows:
            known = (
                self._own.get((tx.tenant, row.patient))
                if row.rules
                else self._common.get(tx.tenant)
            )
            if known is None or not _current(known, row, now):
                missing.append(row)
            else:
                found[row.patient] = known.set
        if missing:
            found.update(await self._load(tx, missing))
        return found

    async def defaults(self, tx: Transaction) -> tuple[Rule, ...]:
        """Return the default rules of the tenant."""
        stored = (await evaluation_rows.rule_sets(tx, [DEFAULTS])).get(DEFAULTS)
        return await self._default_rules(tx, 0 if stored is None else stored[0], stored)

    async def _load(self, tx: Transaction, rows: Sequence[EvaluationRow]) -> dict[str, RuleSet]:
        wanted = [row.patient for row in rows if row.rules]
        version = rows[0].defaults
        if version and self._defaults.get(tx.tenant, (0, ()))[0] != version:
            wanted.append(DEFAULTS)
        stored = await evaluation_rows.rule_sets(tx, wanted) if wanted else {}
        defaults = await self._compiled_defaults(tx, version, stored.get(DEFAULTS))
        found: dict[str, RuleSet] = {}
        for row in rows:
            if row.rules and row.patient in stored:
                orders = await open_orders(tx, row.patient, stored[row.patient][1])
                own = [rule for order in orders.values() for rule in _rules_of(order)]
                weight = lightest(aim for order in orders.values() for aim in _aims(order))
                known = _Known(row.rules, version, defaults.under(own, tx.now, weight))
                self._remember((tx.tenant, row.patient), known)
            else:
                known = _Known(0, version, defaults.alone)
                self._common[tx.tenant] = known
            found[row.patient] = known.set
        return found

    def _remember(self, patient: tuple[int, str], known: _Known) -> None:
        """Keep the rules of a patient, in the place of those that were compiled longest ago."""
        self._own.pop(patient, None)
        self._own[patient] = known
        if len(self._own) > _REMEMBERED:
            del self._own[next(iter(self._own))]

    async def _compiled_defaults(
        self, tx: Transaction, version: int, stored: tuple[int, bytes] | None
    ) -> DefaultRules:
        known = self._compiled.get(tx.tenant)
        if known is None or known[0] != version or stored is not None or not known[1].hold(tx.now):
            rules = await self._default_rules(tx, version, stored)
            known = self._compiled[tx.tenant] = (version, DefaultRules(rules, tx.now))
        return known[1]

    async def _default_rules(
        self, tx: Transaction, version: int, stored: tuple[int, bytes] | None
    ) -> tuple[Rule, ...]:
        if not version:
            return self._shipped
        if stored is not None:
            plan = fhir_json.read(await tx.unseal(None, PURPOSE, stored[1]))
            self._defaults[tx.tenant] = (stored[0], read_defaults(plan).rules)
        known = self._defaults.get(tx.tenant)
        return self._shipped if known is None or known[0] != version else known[1]


async def open_orders(tx: Transaction, patient: str, sealed: bytes) -> dict[str, Json]:
    """Return what makes the rules of a patient, by reference: orders, machines with their limits, treatment plans."""
    orders: dict[str, Json] = fhir_json.read(await tx.unseal(patient, PURPOSE, sealed))
    return orders


async def save_orders(tx: Transaction, orders: Mapping[str, Mapping[str, Json]]) -> None:
    """Store by patient what `open_orders` opens, and let every process notice; their rows are locked."""
    sealed = {
        patient: await tx.seal(patient, PURPOSE, fhir_json.write(dict(some)))
        for patient, some in orders.items()
        if some
    }
    if sealed:
        evaluation_rows.write_rule_sets(tx, new_version(tx), sealed)
    for patient in orders.keys() - sealed.keys():
        await evaluation_rows.delete_rule_set(tx, patient)


async def has_own_order(tx: Transaction, patient: str) -> bool:
    """Return whether somebody ordered limits for `patient`."""
    stored = (await evaluation_rows.rule_sets(tx, [patient])).get(patient)
    orders = {} if stored is None else await open_orders(tx, patient, stored[1])
    return any(reference.startswith("ServiceRequest/") for reference in orders)


def order_entry(order: Json, version: int, *, signed: bool) -> Json:
    """Return what is remembered of a ServiceRequest; `signed`: by two people."""
    kept = {key: order[key] for key in ("id", "extension", "occurrencePeriod") if key in order}
    return {"version": version, "order": kept} | ({"signed": True} if signed else {})


def _aims(entry: Json) -> Iterable[Json]:
    """Return the weights the Goals of a treatment plan aim at, by version."""
    goals: Json = entry.get("goals", {})
    return goals.values()


def _rules_of(entry: Json) -> tuple[Rule, ...]:
    if "goals" in entry:
        return ()
    if "limits" in entry:
        uses = [(_moment(starts), _moment(ends)) for starts, ends in entry["uses"]]
        return tuple(device_limits.rules_of(device_limits.from_json(entry["limits"]), uses))
    rules = read_order(entry["order"], int(entry["version"])).rules
    return tuple(replace(rule, signed=True) for rule in rules) if "signed" in entry else rules


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _current(known: _Known, row: EvaluationRow, now: datetime) -> bool:
    until = known.set.valid_until
    return (
        known.rules == row.rules
        and known.defaults == row.defaults
        and (until is None or now < until)
    )
