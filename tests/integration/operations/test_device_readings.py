"""Operations on Observations that came from a device: they are like any other."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.batch import Incoming
from adapters.ingest import Ingest
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


MERGE = "application/merge-patch+json"
POINTERS = "application/json-patch+json"
FHIR = "application/fhir+json"
AMEND: Json = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Observation.status"},
                {"name": "value", "valueCode": "amended"},
            ],
        }
    ],
}
# Method, URL (`{}` is a reading), media type and body of what changes nothing, and what its answer holds.
READS: tuple[tuple[str, str, str, Any, str], ...] = (
    ("GET", "Observation/{}", FHIR, None, '"value":161'),
    ("GET", "Observation/{}/_history/1", FHIR, None, '"value":161'),
    ("GET", "Observation/{}/_history", FHIR, None, '"value":161'),
    ("GET", "Observation/_history?_count=100", FHIR, None, "{}"),
    ("GET", "_history?_count=100", FHIR, None, "Observation/{}"),
    ("GET", "Observation/{}?_format=xml", FHIR, None, '<value value="161"'),
    ("GET", "Observation/{}?_summary=true", FHIR, None, "SUBSETTED"),
    ("GET", "Observation/{}?_elements=status", FHIR, None, "SUBSETTED"),
    ("GET", "Observation?_id={}&_summary=text", FHIR, None, "SUBSETTED"),
    ("GET", "Patient/ann/Observation?_count=100", FHIR, None, "Observation/{}"),
    ("GET", "Patient/ann/*?_count=100", FHIR, None, "Observation/{}"),
    ("GET", "?_type=Observation,Patient&_count=100", FHIR, None, "Observation/{}"),
    ("GET", "Observation/{}/$validate", FHIR, None, "OperationOutcome"),
    ("GET", "Observation/{}/$meta", FHIR, None, "valueMeta"),
    ("GET", "Observation/{}/$graphql?query={{id,status,subject{{reference}}}}", FHIR, None, "Patient/ann"),
    ("GET", "$graphql?query={{Observation(id:%22{}%22){{valueQuantity{{value}}}}}}", FHIR, None, "161"),
    ("POST", "", FHIR, {"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Observation/{}"}}]}, '"value":161'),
)  # fmt: skip
# What makes a second version of a reading (`{}`), with its headers.
WRITES: tuple[tuple[str, str, str, Any, dict[str, str]], ...] = (
    ("PATCH", "Observation/{}", MERGE, {"status": "amended"}, {}),
    ("PATCH", "Observation/{}", POINTERS, [{"op": "replace", "path": "/status", "value": "amended"}], {}),
    ("PATCH", "Observation/{}", FHIR, AMEND, {"if-match": 'W/"1"'}),
    ("PATCH", "Observation?_id={}", MERGE, {"status": "amended"}, {}),
    ("PUT", "Observation/{}", FHIR, "amended", {"if-match": 'W/"1"'}),
    ("PUT", "Observation?_id={}", FHIR, "amended", {}),
    ("POST", "", FHIR, ("transaction", "PUT", "Observation/{}"), {}),
    ("POST", "", FHIR, ("transaction", "PUT", "Observation?_id={}"), {}),
    ("POST", "", FHIR, ("batch", "PUT", "Observation/{}"), {}),
)  # fmt: skip
DELETES: tuple[tuple[str, str, Any], ...] = (
    ("DELETE", "Observation/{}", None),
    ("DELETE", "Observation?_id={}", None),
    ("POST", "", ("transaction", "DELETE", "Observation/{}")),
    ("POST", "", ("transaction", "DELETE", "Observation?_id={}")),
    ("POST", "", ("batch", "DELETE", "Observation/{}")),
)


def _named(body: Any, id_: str, amended: Json) -> Any:
    """Return `body` about the reading `id_`; it is amended where the body says no more than that."""
    match body:
        case "amended":
            return amended
        case (str(kind), str(method), str(url)):
            entry: Json = {"request": {"method": method, "url": url.format(id_)}}
            if method == "PUT":
                entry["resource"] = amended
            return {"resourceType": "Bundle", "type": kind, "entry": [entry]}
        case dict():
            return json.loads(json.dumps(body).replace("{}", id_))
    return body


async def _readings(house: House, measure: Measure, count: int) -> list[str]:
    """Ids of readings of one metric, the oldest (161 mm[Hg]) first."""
    for number in range(1, count + 1):
        await measure(number)
    found = await house.admin.get(f"Observation?code={MDC}|158776&_sort=value-quantity&_count=100")
    return [one.partition("/")[2] for one in entries(found)]


async def test_every_interaction_that_reads(
    house: House, measure: Measure, subtests: pytest.Subtests
) -> None:
    (id_,) = await _readings(house, measure, 1)
    for method, url, media, body, holds in READS:
        for client in (house.admin, house.nurse):
            with subtests.test(method=method, url=url, is_admin=client is house.admin):
                answer = await client.request(
                    method,
                    url.format(id_),
                    content=None if body is None else json.dumps(_named(body, id_, {})),
                    headers={"content-type": media},
                )
                assert answer.status_code == 200, answer.text
                assert holds.format(id_) in answer.text
    checked = await house.nurse.get(f"Observation/{id_}/$validate")
    assert "error" not in {one["severity"] for one in checked.json()["issue"]}


async def test_every_interaction_that_changes(
    house: House, measure: Measure, subtests: pytest.Subtests
) -> None:
    ids = await _readings(house, measure, len(WRITES))
    for id_, (method, url, media, body, headers) in zip(ids, WRITES, strict=True):
        with subtests.test(method=method, url=url, media=media):
            before = (await house.nurse.get(f"Observation/{id_}")).json()
            amended = {**before, "status": "amended"}
            answer = await house.nurse.request(
                method,
                url.format(id_),
                content=json.dumps(_named(body, id_, amended)),
                headers={"content-type": media, **headers},
            )
            assert answer.status_code == 200, answer.text
            after = await house.nurse.get(f"Observation/{id_}")
            assert after.headers["etag"] == 'W/"2"'
            kept = {name: one for name, one in before.items() if name != "meta"}
            new = {name: one for name, one in after.json().items() if name != "meta"}
            assert new == {**kept, "status": "amended"}
            versions = entries(await house.nurse.get(f"Observation/{id_}/_history"))
            assert len(versions) == 2
            difference = await house.nurse.get(f"Observation/{id_}/$diff")
            assert "Observation.status" in difference.text
    assert len(entries(await house.nurse.get("Observation?status=amended"))) == len(WRITES)
    stale = await house.nurse.patch(
        f"Observation/{ids[0]}",
        json={"status": "final"},
        headers={"content-type": MERGE, "if-match": 'W/"1"'},
    )
    assert stale.status_code == 412


async def test_every_interaction_that_deletes(
    house: House, measure: Measure, subtests: pytest.Subtests
) -> None:
    ids = await _readings(house, measure, len(DELETES))
    for id_, (method, url, body) in zip(ids, DELETES, strict=True):
        with subtests.test(method=method, url=url, body=body):
            assert (await house.nurse.get(f"Observation/{id_}")).status_code == 200
            answer = await house.admin.request(
                method,
                url.format(id_),
                content=None if body is None else json.dumps(_named(body, id_, {})),
                headers={"content-type": FHIR},
            )
            assert answer.status_code in (200, 204), answer.text
            assert (await house.nurse.get(f"Observation/{id_}")).status_code == 410
            assert entries(await house.nurse.get(f"Observation?_id={id_}")) == []
    found = await house.nurse.get(f"Observation?code={MDC}|158776&_total=accurate")
    assert found.json()["total"] == 0


async def test_they_are_of_their_patient_alone(house: House, measure: Measure) -> None:
    (id_,) = await _readings(house, measure, 1)

    for method, url in (
        ("GET", f"Observation/{id_}"),
        ("GET", f"Observation/{id_}/_history"),
        ("GET", f"Observation/{id_}/_history/1"),
        ("GET", f"Observation/{id_}/$meta"),
        ("GET", f"Observation/{id_}/$diff"),
        ("GET", "Patient/ann/Observation"),
        ("PATCH", f"Observation/{id_}"),
    ):
        answer = await house.stranger.request(
            method, url, content='{"status":"amended"}', headers={"content-type": MERGE}
        )
        assert answer.status_code == 404, (url, answer.text)
    assert entries(await house.stranger.get("Observation?_count=100")) == []
