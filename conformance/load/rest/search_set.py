"""The reference search set, and how many hits each search has: counted over the population, not asked of the server.

Every search stands beside the same condition written in Python over the facts of `population`. Pure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from conformance.load.rest.population import (
    BLOOD_PRESSURE,
    DIASTOLIC,
    SYSTOLIC,
    Measurement,
    Person,
    Visit,
)


@dataclass(frozen=True, slots=True)
class Search:
    """A search by its URL below the base, and the number of hits in one patient's record."""

    kind: str
    url: str
    hits: Callable[[Person], int]


def searches() -> tuple[Search, ...]:
    """Return the whole set."""
    return (
        *_strings(),
        *_dates(),
        *_tokens(),
        *_quantities(),
        *_composites(),
        *_references(),
    )


def expected(people: Iterable[Person], wanted: tuple[Search, ...]) -> list[int]:
    """Return the number of hits of each search over `people`."""
    found = [0] * len(wanted)
    for one in people:
        for position, search in enumerate(wanted):
            found[position] += search.hits(one)
    return found


def _patients(kind: str, query: str, holds: Callable[[Person], bool]) -> Search:
    return Search(kind, f"/Patient?{query}", lambda one: int(holds(one)))


def _visits(kind: str, query: str, holds: Callable[[Visit], bool]) -> Search:
    return Search(kind, f"/Encounter?{query}", lambda one: sum(map(holds, one.visits)))


def _measurements(kind: str, query: str, holds: Callable[[Measurement], bool]) -> Search:
    return Search(kind, f"/Observation?{query}", lambda one: sum(map(holds, one.measurements)))


def _strings() -> Iterable[Search]:
    for name in ("Abbott", "corbin", "Gal", "Ada", "Hor", "nobody"):
        wanted = name.lower()
        yield _patients(
            "string name",
            f"name={name}",
            lambda one, wanted=wanted: (  # type: ignore[misc]
                one.family.lower().startswith(wanted) or one.given.lower().startswith(wanted)
            ),
        )
        yield _patients(
            "string name:contains",
            f"name:contains={name[1:]}",
            lambda one, wanted=wanted[1:]: (  # type: ignore[misc]
                wanted in one.family.lower() or wanted in one.given.lower()
            ),
        )
    for city in ("Boston", "salem", "New", "Atlantis"):
        wanted = city.lower()
        yield _patients(
            "string address",
            f"address-city={city}",
            lambda one, wanted=wanted: one.city.lower().startswith(wanted),  # type: ignore[misc]
        )


def _dates() -> Iterable[Search]:
    born = date(1975, 6, 15)
    yield _patients("date birthdate", "birthdate=1975-06-15", lambda one: one.born == born)
    yield _patients(
        "date birthdate", "birthdate=lt1940-01-01", lambda one: one.born < date(1940, 1, 1)
    )
    yield _patients("date birthdate", "birthdate=1980", lambda one: one.born.year == 1980)
    yield _patients(
        "date birthdate", "birthdate=ge2005-03", lambda one: one.born >= date(2005, 3, 1)
    )
    yield _patients("date birthdate", "birthdate=gt2070", lambda _one: False)
    day = datetime(2020, 2, 29, tzinfo=UTC)
    after = day + timedelta(days=1)
    yield _measurements("date Observation", "date=2020-02-29", lambda one: day <= one.taken < after)
    yield _measurements(
        "date Observation",
        "date=ge2020-02-29&date=lt2020-03-01",
        lambda one: day <= one.taken < after,
    )
    yield _measurements(
        "date Observation",
        "date=gt2025-12-20",
        lambda one: one.taken >= datetime(2025, 12, 21, tzinfo=UTC),
    )
    yield _measurements("date Observation", "date=gt2070", lambda _one: False)
    yield _visits(
        "date Encounter",
        "date=sa2025-12-20",
        lambda one: one.start >= datetime(2025, 12, 21, tzinfo=UTC),
    )
    yield _visits(
        "date Encounter",
        "date=eb2016-01-03",
        lambda one: one.start + timedelta(hours=2) < datetime(2016, 1, 3, tzinfo=UTC),
    )


def _tokens() -> Iterable[Search]:
    for category in ("vital-signs", "laboratory", "exam"):
        yield _measurements(
            "token category",
            f"category={category}",
            lambda one, wanted=category: one.category == wanted,  # type: ignore[misc]
        )
    for code in ("8867-4", "2823-3", BLOOD_PRESSURE, "0000-0"):
        yield _measurements(
            "token code",
            f"code=http://loinc.org|{code}",
            lambda one, wanted=code: one.code == wanted,  # type: ignore[misc]
        )
    several = ("8867-4", "9279-1", "2339-0")
    yield _measurements("token code", f"code={','.join(several)}", lambda one: one.code in several)
    for status in ("finished", "cancelled", "planned", "triaged"):
        yield _visits(
            "token status",
            f"status={status}",
            lambda one, wanted=status: one.status == wanted,  # type: ignore[misc]
        )
    for code in ("AMB", "EMER", "VR", "OBSENC"):
        yield _visits(
            "token class",
            f"class={code}",
            lambda one, wanted=code: one.class_code == wanted,  # type: ignore[misc]
        )


def _quantities() -> Iterable[Search]:
    ucum: Final = "http://unitsofmeasure.org"
    yield _measurements(
        "quantity value",
        f"value-quantity=gt250|{ucum}|mg/dL",
        # Every haemoglobin is far above that: 7 g/dL are 7 000 mg/dL.
        lambda one: _unit(one) == "g/dL" or (_unit(one) == "mg/dL" and one.value > 250),
    )
    yield _measurements(
        "quantity value",
        f"value-quantity=ge2.9|{ucum}|g/L",
        lambda one: (
            (_unit(one) == "g/dL" and one.value >= Decimal("0.29"))
            or (_unit(one) == "mg/dL" and one.value >= 290)
        ),
    )
    yield _measurements(
        "quantity value",
        f"value-quantity=le35.2|{ucum}|Cel",
        lambda one: _unit(one) == "Cel" and one.value <= Decimal("35.2"),
    )
    yield _measurements(
        "quantity component",
        f"component-value-quantity=ge185|{ucum}|mm[Hg]",
        lambda one: one.metric is None and max(one.value, one.second) >= 185,
    )
    yield _measurements(
        "quantity combo",
        f"combo-value-quantity=lt52|{ucum}|mm[Hg]",
        lambda one: one.metric is None and min(one.value, one.second) < 52,
    )


def _composites() -> Iterable[Search]:
    yield _measurements(
        "composite code-value",
        "code-value-quantity=8867-4$gt125",
        lambda one: one.code == "8867-4" and one.value > 125,
    )
    yield _measurements(
        "composite code-value",
        "code-value-quantity=http://loinc.org|2823-3$ge6.8",
        lambda one: one.code == "2823-3" and one.value >= Decimal("6.8"),
    )
    yield _measurements(
        "composite component",
        f"component-code-value-quantity={DIASTOLIC}$gt107",
        lambda one: one.metric is None and one.second > 107,
    )
    yield _measurements(
        "composite component",
        f"component-code-value-quantity={SYSTOLIC}$lt92",
        lambda one: one.metric is None and one.value < 92,
    )
    yield _measurements(
        "composite combo",
        f"combo-code-value-quantity={SYSTOLIC}$gt187",
        lambda one: one.metric is None and one.value > 187,
    )


def _references() -> Iterable[Search]:
    for number in (3, 42, 97):
        yield _measurements(
            "reference performer",
            f"performer=Practitioner/prac-{number}",
            lambda one, wanted=number: one.practitioner == wanted,  # type: ignore[misc]
        )
        yield _visits(
            "reference participant",
            f"participant=Practitioner/prac-{number}",
            lambda one, wanted=number: one.practitioner == wanted,  # type: ignore[misc]
        )
        yield Search(
            "reference requester",
            f"/MedicationRequest?requester=Practitioner/prac-{number}",
            lambda one, wanted=number: sum(by == wanted for _, by in one.requests),  # type: ignore[misc]
        )
    yield Search(
        "reference performer", "/Observation?performer=Practitioner/prac-999", lambda _one: 0
    )


def _unit(one: Measurement) -> str:
    return "" if one.metric is None else one.metric.unit
