"""Topics in packages: taken with what they need, refused with their reason, skipped when already there."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from typer.testing import CliRunner

from fhirserver import package_installation
from fhirserver.__main__ import app
from fhirserver.command_database import RefusedError
from fhirserver.definitions.package import Package
from fhirserver.kernel import canonical
from fhirserver.kernel.resource import Json
from fhirserver.store.database import open_database
from fhirserver.store.packages import Installation
from subscriptions.core.filter_criteria import demands
from subscriptions.response.shipped_topics import contents, shipped
from tests.conftest import ROLE_PASSWORDS, Database
from tests.integration.catalogue.conftest import Process, open_process, until
from tests.integration.catalogue.test_packages import SIZE, data, installed, written
from tests.integration.rest.conftest import put
from tests.unit.subscriptions.core.topics import MINIMAL, change

__all__ = ["data"]

EXTENSION = canonical.BACKPORT + "capabilitystatement-subscriptiontopic-canonical"
TOPIC: Json = {
    **MINIMAL,
    "url": "http://example.org/SubscriptionTopic/shoes",
    "resourceTrigger": [
        {"resource": "Patient", "queryCriteria": {"current": "shoe-size=43"}},
    ],
    "canFilterBy": [{"filterParameter": "shoe-size"}],
    "notificationShape": [{"resource": "Patient", "include": ["Patient:organization"]}],
}
STARSHIP: Json = {**TOPIC, "resourceTrigger": [{"resource": "Starship"}]}


def told(statement: Json) -> list[str]:
    """The topics a CapabilityStatement lists."""
    (rest,) = statement["rest"]
    (subscription,) = (one for one in rest["resource"] if one["type"] == "Subscription")
    return [one["valueCanonical"] for one in subscription["extension"] if one["url"] == EXTENSION]


async def listed(client: httpx.AsyncClient) -> list[str]:
    return told((await client.get("metadata")).json())


def test_a_topic_comes_with_the_parameter_it_filters_by(data: Path) -> None:
    path = written(data, "org.example.shoes", TOPIC, SIZE)
    (package,) = package_installation.add([path])
    assert {one["resourceType"] for one in package.resources} == {
        "SubscriptionTopic",
        "SearchParameter",
    }
    shown = CliRunner().invoke(app, ["packages", "list"])
    assert shown.output.startswith("org.example.shoes@1.0.0: 2 resources")


@pytest.mark.parametrize(
    ("resources", "why"),
    [
        ([STARSHIP], r"resourceTrigger\[0\]: 'Starship' is no resource type of R4"),
        ([TOPIC], r"resourceTrigger\[0\]: .*shoe-size"),
        ([{**TOPIC, "title": 7}, SIZE], "Expected `str`, got `int`"),
        ([{**TOPIC, "eventTrigger": [{}]}, SIZE], "event triggers are not supported"),
        ([contents()[0]], "comes with the server and cannot be replaced"),
        ([{name: one for name, one in TOPIC.items() if name != "url"}], "has no url"),
    ],
)
def test_a_bad_topic_is_refused_with_its_reason(
    data: Path, resources: list[Json], why: str
) -> None:
    path = written(data, "org.example.bad", *resources)
    with pytest.raises(RefusedError, match=why) as refusal:
        package_installation.add([path])
    assert "org.example.bad@1.0.0: SubscriptionTopic" in str(refusal.value)
    assert installed() == []


async def test_running_processes_offer_it(data: Path, database: Database, process: Process) -> None:
    path = written(data, "org.example.shoes", TOPIC, SIZE)
    admin = await process.admin(1)
    following = asyncio.create_task(process.catalogue.follow())
    try:
        assert await listed(admin) == list(shipped().urls)
        await asyncio.to_thread(package_installation.add, [path])

        async def offers() -> bool:
            return TOPIC["url"] in await listed(admin)

        await until(offers)
        _require_usable(process)
        await asyncio.to_thread(package_installation.remove, "org.example.shoes")

        async def offers_no_more() -> bool:
            return await listed(admin) == list(shipped().urls)

        await until(offers_no_more)
        assert process.topics.of(1).find(TOPIC["url"]) is None
    finally:
        following.cancel()


def _require_usable(process: Process) -> None:
    topic = process.topics.of(1).find(TOPIC["url"])
    assert topic is not None
    size: Json = {"resourceType": "Patient", "maritalStatus": {"coding": [{"code": "43"}]}}
    assert topic.fires(change(size))
    (demand,) = demands(topic, ["Patient?shoe-size=43"])
    (equal,) = demand.equal
    assert equal.values & topic.values(size, ["shoe-size"])["shoe-size"]


async def test_a_bad_topic_that_is_already_there_is_left_out_and_told_of(
    database: Database,
) -> None:
    older = Package(
        "org.example.older", "1.0.0", {}, (STARSHIP, {**TOPIC, "url": "http://example.org/t"}, SIZE)
    )
    async with (
        open_database(database.dsn, ROLE_PASSWORDS) as pools,
        pools.work.connection() as connection,
        connection.transaction(),
    ):
        await Installation(connection).add([older], datetime.now(UTC))
    with structlog.testing.capture_logs() as log:
        async with open_process(database) as process:
            await process.record.ensure_tenant("home")
            offered = await listed(await process.admin(1))
    warnings: list[Any] = [one for one in log if one["log_level"] == "warning"]
    assert "http://example.org/t" in offered
    assert STARSHIP["url"] not in offered
    assert set(shipped().urls) < set(offered)
    assert "Starship" in str(warnings)


SUBSCRIPTION: Json = {
    "resourceType": "Subscription",
    "id": "shoes",
    "status": "requested",
    "reason": "shoes",
    "criteria": TOPIC["url"],
    "_criteria": {
        "extension": [
            {
                "url": canonical.BACKPORT + "backport-filter-criteria",
                "valueString": "Patient?shoe-size=43",
            }
        ]
    },
    "channel": {
        "type": "rest-hook",
        "endpoint": "https://ehr.example.org/hook",
        "payload": "application/fhir+json",
        "_payload": {
            "extension": [
                {"url": canonical.BACKPORT + "backport-payload-content", "valueCode": "empty"}
            ]
        },
    },
}


def patient(id_: str, size: str) -> Json:
    return {"resourceType": "Patient", "id": id_, "maritalStatus": {"coding": [{"code": size}]}}


async def test_events_of_a_packaged_topic_reach_its_subscriptions(
    data: Path, database: Database
) -> None:
    path = written(data, "org.example.shoes", TOPIC, SIZE)
    async with open_process(database, subscribing=True) as process:
        await process.record.ensure_tenant("home")
        admin = await process.admin(1)
        refused = await put(admin, SUBSCRIPTION)
        assert refused.status_code == 422
        assert "unknown topic" in refused.text
        await asyncio.to_thread(package_installation.add, [path])
        await process.catalogue.load()
        taken = await put(admin, SUBSCRIPTION)
        assert taken.status_code == 201, taken.text
        bad = {**SUBSCRIPTION, "_criteria": None, "criteria": TOPIC["url"] + "|7"}
        assert (await put(admin, bad)).status_code == 422
        for one in (patient("wanted", "43"), patient("other", "44")):
            assert (await put(admin, one)).status_code == 201
        async with process.record.work(1) as tx:
            rows = await tx.execute("SELECT subscription, action, focus_type, focus_id FROM event")
    assert rows == [("shoes", "create", "Patient", "wanted")]
