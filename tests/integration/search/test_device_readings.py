"""Readings that came by COPY are found like any other, in every kind of search."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import (
    EFFECTIVE_MARK,
    OWN_MARK,
    ObservationForm,
    ObservationRow,
    value_mark,
)
from fhirserver.search.match import matches
from fhirserver.store.record import Record
from fhirserver.wire import fhir_json
from tests.conftest import Database
from tests.integration.search.clinic import LOINC, UCUM, observation
from tests.integration.search.conftest import DEFINITIONS, Known, asked, find, ids, stored
from tests.integration.store.conftest import caller

MARKS = (f"Device/{OWN_MARK}", f"Patient/{OWN_MARK}")
START = datetime(2026, 7, 1, 8, 0, 0, tzinfo=UTC)


def _quantity(position: int, unit: str) -> Json:
    return {"value": value_mark(position), "unit": unit, "system": UCUM, "code": unit}


HEART = observation(
    "template", OWN_MARK, "8867-4", EFFECTIVE_MARK, valueQuantity=_quantity(0, "/min"),
    device={"reference": MARKS[0]},
)  # fmt: skip
PRESSURE = observation(
    "template",
    OWN_MARK,
    "85354-9",
    EFFECTIVE_MARK,
    device={"reference": MARKS[0]},
    component=[
        {
            "code": {"coding": [{"system": LOINC, "code": code}]},
            "valueQuantity": _quantity(position, "mm[Hg]"),
        }
        for position, code in enumerate(("8480-6", "8462-4"))
    ],
)


@pytest.fixture
async def streaming(clinic: Record) -> Record:
    """The clinic, with a machine that has sent ten heart rates and ten blood pressures of Ann."""
    async with clinic.transaction(1) as tx:
        await tx.put(
            {
                "resourceType": "Device",
                "id": "machine",
                "status": "active",
                "serialNumber": "S-1",
                "patient": {"reference": "Patient/ann"},
            },
            id_="machine",
        )
    async with clinic.telemetry(1) as tx:
        templates = {}
        for name, resource, values in (("heart", HEART, 1), ("pressure", PRESSURE, 2)):
            body = {key: value for key, value in resource.items() if key != "id"}
            form = ObservationForm(body, values, MARKS)
            templates[name] = await tx.prepare(name, form, "ann", ("Device/machine", "Patient/ann"))
        rows = []
        for minute in range(10):
            at = START + timedelta(minutes=minute)
            rows.append(ObservationRow(templates["heart"], at, (str(60 + 10 * minute),)))
            rows.append(
                ObservationRow(
                    templates["pressure"], at, (str(100 + 10 * minute), f"{60 + minute}.50")
                )
            )
        await tx.copy_observations(rows)
    return clinic


# The search, and how many of the twenty device readings it finds.
SEARCHES: tuple[tuple[str, int], ...] = (
    ("", 20),
    ("code=8867-4", 10),
    ("patient=ann&code=8867-4&date=ge2026-07-01T08:05:00Z&_sort=-date", 5),
    ("device=Device/machine", 20),
    ("device:Device.status=active", 20),
    ("device:Device.patient=ann", 20),
    ("date=2026-07-01", 20),
    ("date=lt2026-07-01T08:02:00Z", 4),
    ("value-quantity=gt100", 5),
    ("value-quantity=60", 1),
    ("value-quantity=gt100|http://unitsofmeasure.org|/min", 5),
    ("value-quantity=gt2|http://unitsofmeasure.org|Hz", 3),
    ("value-quantity=gt2|http://unitsofmeasure.org|/s", 3),
    ("component-value-quantity=64.5", 1),
    ("component-value-quantity=64.50||mm[Hg]", 1),
    ("combo-value-quantity=100", 2),
    ("code-value-quantity=8867-4$gt100", 5),
    ("component-code-value-quantity=8462-4$gt66", 4),
    ("component-code-value-quantity=8462-4$gt70", 0),
    ("component-code-value-quantity=8480-6$ge25.3||kPa", 1),
    ("combo-code-value-quantity=8480-6$gt180,8867-4$gt140", 2),
    ("patient.family=bergstr", 20),
    ("subject:Patient.gender=male", 0),
    ("_filter=value-quantity gt 140 or component-value-quantity lt 61", 2),
    ("_filter=not (code eq 8867-4)", 10),
    ("code:not=8867-4", 10),
    ("status=final&value-quantity:missing=true", 10),
    ("_has:DiagnosticReport:result:status=final", 0),
    ("_lastUpdated=gt2020", 20),
    ("_content=machine", 0),
)


async def test_every_kind_of_search(
    streaming: Record, admin: Access, subtests: pytest.Subtests
) -> None:
    page = await find(streaming, admin, "Observation", "device=Device/machine")
    readings = [fhir_json.read(one.content) for one in page.entries]
    device = fhir_json.read((await streaming.read(admin, "Device", "machine")).content)
    known = Known.of([*await stored(streaming, admin), device, *readings])
    for text, hits in SEARCHES:
        with subtests.test(search=text):
            query = asked("Observation", text)
            wanted = {
                one["id"]
                for one in known.resources.values()
                if matches(one, query, DEFINITIONS, known)
            }
            assert await ids(streaming, admin, "Observation", text) == wanted
            assert len(wanted & {one["id"] for one in readings}) == hits


async def test_orders_totals_and_includes(streaming: Record, admin: Access) -> None:
    text = "device=Device/machine&code=8867-4"
    page = await streaming.search(
        admin,
        asked("Observation", text + "&_sort=-value-quantity&_count=3&_total=accurate"
              "&_include=Observation:device&_include=Observation:patient"),
    )  # fmt: skip
    assert [str(fhir_json.read(one.content)["valueQuantity"]["value"]) for one in page.entries] == [
        "150",
        "140",
        "130",
    ]
    assert page.total == 10
    assert {one.reference for one in page.included} == {"Device/machine", "Patient/ann"}
    reverse = await find(streaming, admin, "Device", "_id=machine&_revinclude=Observation:device")
    assert len(reverse.included) == 20
    assert await ids(streaming, admin, "Patient", "_has:Observation:patient:device=Device/machine") == {"ann"}  # fmt: skip
    assert await ids(streaming, admin, "Device", "_has:Observation:device:value-quantity=gt145") == {"machine"}  # fmt: skip


async def test_only_for_those_who_may_see_them(streaming: Record) -> None:
    assert len(await ids(streaming, caller("ann"), "Observation", "value-quantity=gt100")) == 5
    assert await ids(streaming, caller("bea"), "Observation", "device=Device/machine") == set()
    found = await find(streaming, caller("bea"), "Observation", "date=2026-07-01&_summary=count")
    assert found.total == 0


async def test_a_changed_reading_leaves_its_old_ranges(streaming: Record, admin: Access) -> None:
    (id_,) = await ids(streaming, admin, "Observation", "code-value-quantity=8867-4$150")
    body = fhir_json.read((await streaming.read(admin, "Observation", id_)).content)
    async with streaming.transaction(1) as tx:
        body = {**body, "status": "amended"}
        body["valueQuantity"] = {**body["valueQuantity"], "value": 15}
        await tx.put(body, id_=id_)
    assert await ids(streaming, admin, "Observation", "value-quantity=150") == set()
    assert await ids(streaming, admin, "Observation", "value-quantity=15&status=amended") == {id_}
    async with streaming.transaction(1) as tx:
        await tx.delete("Observation", id_)
    assert await ids(streaming, admin, "Observation", "value-quantity=15") == set()


async def test_ranges_lie_in_the_leaf_of_their_week(streaming: Record, database: Database) -> None:
    async with await psycopg.AsyncConnection.connect(database.dsn) as connection:
        found = await connection.execute(
            "SELECT tableoid::regclass::text, count(*) FROM resource_range "
            "WHERE patient IS NOT NULL GROUP BY 1 ORDER BY 1"
        )
        leaves: dict[str, int] = dict(await found.fetchall())
    assert leaves["range_observation_20260727"] >= 10 * 2 + 10 * 8
