"""Operations on Observations that came from a device: they are like any other."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.ingest import Incoming, Ingest
from adapters.mqtt.messages import Topic
from fhirserver.kernel.resource import Json
from tests.integration.operations.conftest import House, call, entries, store
from tests.integration.rest.conftest import Bystander

ADDRESS = "0A1B2CFFFE3D4E5F"
BIRTH: Json = {
    "schema": "hd.birth/1", "dev": ADDRESS, "boot": "b1", "mono_ms": 1000, "model": "SIM", "kind": "hemodialysis-machine",
    "metrics": {"158776": {"unit": "mm[Hg]"}, "158740": {"unit": "mL/min"}},
}  # fmt: skip
MDC = "urn:iso:std:iso:11073:10101"


Measure = Callable[[int], Awaitable[None]]


@pytest.fixture
async def measure(house: House) -> Measure:
    """A machine at Ann's home that reports two metrics when it is told to."""
    system = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"
    await store(
        house.admin,
        {
            "resourceType": "Device",
            "id": "machine",
            "identifier": [{"system": system, "value": "0A-1B-2C-FF-FE-3D-4E-5F"}],
        },
        {
            "resourceType": "DeviceUseStatement",
            "id": "use",
            "status": "active",
            "subject": {"reference": "Patient/ann"},
            "device": {"reference": "Device/machine"},
            "timingPeriod": {"start": "2020-01-01"},
        },
    )
    assert (await house.admin.post("Device/machine/$enroll")).status_code == 200
    ingest = Ingest(house.record, Bystander())  # type: ignore[arg-type]
    names = dict(await house.record.tenants())
    now = datetime.now(UTC)

    async def say(kind: str, body: Json) -> None:
        topic: Any = Topic(names[house.tenant], ADDRESS, kind)  # type: ignore[arg-type]
        await ingest.commit(house.tenant, [Incoming(topic, json.dumps(body).encode(), now)])

    async def report(number: int) -> None:
        values = {"158776": 160 + number, "158740": 398}
        await say("tel", {
            "schema": "hd.tel/1", "dev": ADDRESS, "boot": "b1", "seq": number, "mode": "TX",
            "dev_time": f"{now:%Y-%m-%dT%H:%M:%SZ}", "s": [{"t": number, "v": values}],
        })  # fmt: skip

    await say("birth", BIRTH)
    return report


@pytest.fixture
async def home(house: House, measure: Measure) -> House:
    """Three readings of two metrics."""
    for number in range(1, 4):
        await measure(number)
    return house


async def test_everything_has_them(home: House) -> None:
    for client in (home.admin, home.nurse, home.patient, home.partner):
        found = entries(await client.get("Patient/ann/$everything?_type=Observation"))
        assert len(found) == 6


async def test_lastn_finds_the_newest(home: House) -> None:
    answer = await home.nurse.get("Observation/$lastn?patient=ann&max=2")

    assert len(entries(answer)) == 4
    values = [one["resource"]["valueQuantity"]["value"] for one in answer.json()["entry"]]
    assert sorted(values) == [162, 163, 398, 398]


async def test_their_labels_change_and_they_stay_what_they_are(home: House) -> None:
    found = entries(await home.admin.get(f"Observation?code={MDC}|158776"))
    tag = {"system": "https://example.org/tags", "code": "study"}

    answer = await call(home.nurse, f"{found[0]}/$meta-add", ("meta", "valueMeta", {"tag": [tag]}))

    assert answer.status_code == 200, answer.text
    assert entries(await home.nurse.get("Observation?_tag=study")) == [found[0]]
    labels = await home.nurse.get("Observation/$meta")
    assert labels.json()["parameter"][0]["valueMeta"]["tag"] == [tag]


async def test_a_parameter_of_ones_own_finds_them_after_a_reindex(
    home: House, measure: Measure
) -> None:
    parameter = {
        "resourceType": "SearchParameter",
        "id": "reported",
        "url": "https://example.org/SearchParameter/observation-unit",
        "name": "Unit",
        "status": "active",
        "description": "The unit as it is written",
        "code": "unit",
        "base": ["Observation"],
        "type": "string",
        "expression": "(Observation.value as Quantity).unit",
    }
    await store(home.admin, parameter)
    await measure(4)

    done = await home.outcome(await call(home.admin, "Observation/$reindex"))
    await home.catalogue.refresh(home.tenant)

    assert done.status_code == 200, done.text
    assert len(entries(await home.nurse.get("Observation?unit=mL/min"))) == 4
    await measure(5)
    assert len(entries(await home.nurse.get("Observation?unit=mL/min"))) == 5
