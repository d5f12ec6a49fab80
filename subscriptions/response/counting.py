"""How many events each Subscription has had since it started, wherever that is counted.

Deliveries are counted by their cursor. The rule engine's own Subscriptions have no deliveries: what
they count are the readings that were judged, in the row that is locked for judging.
"""

from collections.abc import Sequence

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.managed_subscription import is_rule_engine, judged_patient
from subscriptions.store import cursor_rows, evaluation_rows


async def counted(tx: Transaction, subscriptions: Sequence[Json]) -> dict[str, int]:
    """Return the count of each of `subscriptions` by id; 0 for one that nothing has happened to."""
    judging = {one["id"]: judged_patient(one) for one in subscriptions if is_rule_engine(one)}
    others = [one["id"] for one in subscriptions if one["id"] not in judging]
    found = dict.fromkeys((one["id"] for one in subscriptions), 0)
    if others:
        found |= await cursor_rows.last_numbers(tx, others)
    if judging:
        patients = {patient: tx.bucket(patient, "Patient", patient) for patient in judging.values()}
        judged = await evaluation_rows.judged(tx, patients)
        found |= {id_: judged.get(patient, 0) for id_, patient in judging.items()}
    return found
