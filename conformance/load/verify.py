"""Reads back by search what was acknowledged, for a sample of patients."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from conformance.history import Violation, check_readings
from conformance.load.messages import NUMBER
from conformance.record import Record

PAGE: Final = "500"


@dataclass(frozen=True, slots=True)
class Found:
    """What a search of one patient returned."""

    observations: int
    readings: list[int]
    by_code: dict[str, int]


@dataclass(frozen=True, slots=True)
class Expected:
    """What it should return: reading numbers sent and acknowledged, and how many Observations."""

    patient: str
    sent: frozenset[int]
    acknowledged: frozenset[int]
    observations: int


async def read_patient(record: Record, patient: str) -> Found:
    """Return every Observation of `patient`, paged to the end."""
    readings: list[int] = []
    by_code: dict[str, int] = {}
    total = 0
    async for one in record.search("Observation", {"patient": patient, "_count": PAGE}):
        total += 1
        code = _code(one)
        by_code[code] = by_code.get(code, 0) + 1
        if code == NUMBER:
            readings.append(int(one["valueQuantity"]["value"]))
    return Found(total, readings, by_code)


async def check_sample(record: Record, sample: Iterable[Expected]) -> list[Violation]:
    """Return what is wrong with the patients of `sample`."""
    violations: list[Violation] = []
    for one in sample:
        found = await read_patient(record, one.patient)
        violations += check_readings(one.patient, one.sent, one.acknowledged, found.readings)
        if found.observations < one.observations:
            missing = one.observations - found.observations
            violations.append(Violation("lost", f"{one.patient}, Observations", missing, 0))
    return violations


def _code(observation: dict[str, Any]) -> str:
    codings = observation["code"]["coding"]
    mdc = (one["code"] for one in codings if one.get("system", "").endswith(":10101"))
    return str(next(mdc, codings[0]["code"]))
