"""Reads patients of a real server over FHIR and lets the oracle judge them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from conformance.alarms import oracle
from conformance.alarms.golden import Deviation
from conformance.alarms.rehearsal import rehearsing
from conformance.record import Record

_PAGE: Final = "500"

Say = Callable[[str], object]
Json = Mapping[str, Any]


async def audit(record: Record, patients: Iterable[str], say: Say) -> list[Deviation]:
    """Return every alert that `patients` were spared or given wrongly; raises `Refusal`."""
    deviations: list[Deviation] = []
    with rehearsing() as rehearsal:
        for patient in patients:
            observations = await _all(record, "Observation", patient)
            told = oracle.lines(observations, patient)
            rehearsal.tell(await _orders(record, patient))
            rehearsal.tell(told)
            decided = rehearsal.take(patient, oracle.latest(told))
            wanted = oracle.expected(decided)
            had = oracle.found(await _all(record, "Flag", patient))
            found = oracle.compare(wanted, had, patient)
            say(
                f"  {patient}: {len(observations)} Observations, {wanted.total()} alerts owed, "
                f"{had.total()} there, {len(found)} deviations"
            )
            deviations += found
    return deviations


async def _all(record: Record, kind: str, patient: str) -> list[Json]:
    return [one async for one in record.search(kind, {"patient": patient, "_count": _PAGE})]


async def _orders(record: Record, patient: str) -> list[Json]:
    """Return the lines of the monitoring orders as they stand: they count for every reading."""
    return [
        {
            "kind": "order",
            "at": 0,
            "patient": patient,
            "version": int(order["meta"]["versionId"]),
            "order": order,
        }
        for order in await _all(record, "ServiceRequest", patient)
    ]
