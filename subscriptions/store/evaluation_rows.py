"""Rows of ``evaluation`` and ``rule_set``: what is remembered, and which rules hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fhirserver.kernel.ports import Transaction

# The rule set that belongs to no patient: the tenant's defaults.
DEFAULTS = ""


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """A locked row.

    `rules` 0: no own orders. `defaults` is the version of the tenant's default set, 0 without one.
    """

    patient: str
    version: int
    rules: int
    state: bytes | None
    defaults: int


@dataclass(frozen=True, slots=True)
class NewState:
    """A window to be written: sealed, None when empty; `due` when time itself raises something.

    `judged`: how many Observations were judged in this round.
    """

    patient: str
    bucket: int
    version: int
    state: bytes | None
    due: datetime | None
    judged: int = 0


async def lock(tx: Transaction, buckets: Mapping[str, int]) -> list[EvaluationRow]:
    """Lock the rows of `buckets` (patient -> bucket) in key order, making missing ones."""
    rows = await _lock(tx, buckets)
    if len(rows) < len(buckets):
        known = {row.patient for row in rows}
        missing = {patient: bucket for patient, bucket in buckets.items() if patient not in known}
        create(tx, missing)
        rows += await _lock(tx, missing)
    return rows


async def _lock(tx: Transaction, buckets: Mapping[str, int]) -> list[EvaluationRow]:
    found = await tx.execute(
        "SELECT e.patient, e.version, e.rules, e.state, "
        "(SELECT r.version FROM rule_set r WHERE r.bucket = %s AND r.tenant = %s AND r.patient "
        "= '') "
        "FROM evaluation e WHERE e.tenant = %s AND (e.bucket, e.patient) IN "
        "(SELECT * FROM unnest(%s::smallint[], %s::text[])) "
        "ORDER BY e.bucket, e.patient FOR UPDATE OF e",
        (_defaults_bucket(tx), tx.tenant, tx.tenant, list(buckets.values()), list(buckets)),
    )
    return [
        EvaluationRow(
            patient, version, rules, None if state is None else bytes(state), defaults or 0
        )
        for patient, version, rules, state, defaults in found
    ]


def create(tx: Transaction, buckets: Mapping[str, int]) -> None:
    """Make the rows that are missing, in key order."""
    tx.execute_later(
        "INSERT INTO evaluation (bucket, tenant, patient, updated) "
        "SELECT p.bucket, %s, p.patient, %s FROM unnest(%s::smallint[], %s::text[]) AS "
        "p(bucket, patient) "
        "ORDER BY p.bucket, p.patient ON CONFLICT DO NOTHING",
        (tx.tenant, tx.now, list(buckets.values()), list(buckets)),
    )


def write(tx: Transaction, states: Sequence[NewState]) -> None:
    """Write back the windows that changed; their rows are locked."""
    tx.execute_later(
        "UPDATE evaluation e SET version = v.version, state = v.state, due = v.due, updated = %s, "
        "judged = e.judged + v.judged "
        "FROM unnest(%s::smallint[], %s::text[], %s::bigint[], %s::bytea[], %s::timestamptz[], "
        "%s::bigint[]) AS v(bucket, patient, version, state, due, judged) "
        "WHERE e.bucket = v.bucket AND e.tenant = %s AND e.patient = v.patient",
        (
            tx.now,
            [state.bucket for state in states],
            [state.patient for state in states],
            [state.version for state in states],
            [state.state for state in states],
            [state.due for state in states],
            [state.judged for state in states],
            tx.tenant,
        ),
    )


def count(tx: Transaction, judged: Mapping[str, tuple[int, int]]) -> None:
    """Add to what was judged of patients whose windows stay as they are: patient -> (bucket, number)."""
    tx.execute_later(
        "UPDATE evaluation e SET judged = e.judged + v.judged "
        "FROM unnest(%s::smallint[], %s::text[], %s::bigint[]) AS v(bucket, patient, judged) "
        "WHERE e.bucket = v.bucket AND e.tenant = %s AND e.patient = v.patient",
        (
            [bucket for bucket, _ in judged.values()],
            list(judged),
            [number for _, number in judged.values()],
            tx.tenant,
        ),
    )


async def judged(tx: Transaction, buckets: Mapping[str, int]) -> dict[str, int]:
    """Return how many Observations of each patient of `buckets` (patient -> bucket) were judged."""
    found = await tx.execute(
        "SELECT patient, judged FROM evaluation WHERE tenant = %s AND (bucket, patient) IN "
        "(SELECT * FROM unnest(%s::smallint[], %s::text[]))",
        (tx.tenant, list(buckets.values()), list(buckets)),
    )
    return dict(found)


async def due(tx: Transaction, limit: int) -> list[str]:
    """Return the patients of this tenant for whom time itself raises something now."""
    found = await tx.execute(
        "SELECT patient FROM evaluation WHERE tenant = %s AND due <= %s ORDER BY due LIMIT %s",
        (tx.tenant, tx.now, limit),
    )
    return [patient for (patient,) in found]


async def rule_sets(tx: Transaction, patients: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    """Return version and sealed orders of `patients` (or `DEFAULTS`) that have any."""
    found = await tx.execute(
        "SELECT patient, version, orders FROM rule_set WHERE tenant = %s AND (bucket, patient) IN "
        "(SELECT * FROM unnest(%s::smallint[], %s::text[]))",
        (tx.tenant, [rule_bucket(tx, patient) for patient in patients], list(patients)),
    )
    return {patient: (version, bytes(orders)) for patient, version, orders in found}


def write_defaults(tx: Transaction, version: int, plan: bytes) -> None:
    """Store the sealed default set; every process notices with the next reading."""
    _write(tx, version, {DEFAULTS: plan})


def write_rule_sets(tx: Transaction, version: int, orders: Mapping[str, bytes]) -> None:
    """Store the sealed orders of patients and let every process notice."""
    _write(tx, version, orders)
    tx.execute_later(
        "UPDATE evaluation e SET rules = %s, updated = %s "
        "FROM unnest(%s::smallint[], %s::text[]) AS w(bucket, patient) "
        "WHERE e.bucket = w.bucket AND e.tenant = %s AND e.patient = w.patient",
        (version, tx.now, [rule_bucket(tx, one) for one in orders], list(orders), tx.tenant),
    )


def _write(tx: Transaction, version: int, orders: Mapping[str, bytes]) -> None:
    tx.execute_later(
        "INSERT INTO rule_set (bucket, tenant, patient, version, orders, updated) "
        "SELECT w.bucket, %s, w.patient, %s, w.orders, %s "
        "FROM unnest(%s::smallint[], %s::text[], %s::bytea[]) AS w(bucket, patient, orders) "
        "ON CONFLICT (bucket, tenant, patient) DO UPDATE "
        "SET version = excluded.version, orders = excluded.orders, updated = excluded.updated",
        (
            tx.tenant,
            version,
            tx.now,
            [rule_bucket(tx, one) for one in orders],
            list(orders),
            list(orders.values()),
        ),
    )


async def delete_rule_set(tx: Transaction, patient: str) -> None:
    """Forget the orders of `patient`: the defaults hold (for `DEFAULTS`: those shipped)."""
    bucket = rule_bucket(tx, patient)
    await tx.execute(
        "DELETE FROM rule_set WHERE bucket = %s AND tenant = %s AND patient = %s",
        (bucket, tx.tenant, patient),
    )
    await tx.execute(
        "UPDATE evaluation SET rules = 0, updated = %s "
        "WHERE bucket = %s AND tenant = %s AND patient = %s",
        (tx.now, bucket, tx.tenant, patient),
    )


def rule_bucket(tx: Transaction, patient: str) -> int:
    """Return the bucket of a rule set."""
    return _defaults_bucket(tx) if patient == DEFAULTS else tx.bucket(patient, "Patient", patient)


def _defaults_bucket(tx: Transaction) -> int:
    return tx.bucket(None, "PlanDefinition", "default-rules")
