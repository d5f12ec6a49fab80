"""Catalogs: what ships and what packages bring, in versions; bad topics are left out and told of."""

from typing import Any

import pytest

from fhirserver.definitions import Definitions, load
from fhirserver.kernel import canonical
from fhirserver.kernel.resource import Json
from subscriptions.core.topic import BadTopic
from subscriptions.core.topic_catalog import Catalog, Topics
from subscriptions.response.shipped_topics import check_topic, contents, shipped, topics
from tests.unit.subscriptions.core.test_topic_filter import FLAG
from tests.unit.subscriptions.core.topics import BASE, MINIMAL, change, made

SHOE_SIZE: Json = {
    "resourceType": "SearchParameter",
    "url": "http://example.org/SearchParameter/shoe-size",
    "name": "ShoeSize",
    "status": "active",
    "description": "d",
    "code": "shoe-size",
    "base": ["Patient"],
    "type": "token",
    "expression": "Patient.maritalStatus",
}


def packaged(*resources: Json) -> Definitions:
    return load().extended(resources, frozenset())


def topic(**more: Any) -> Json:
    return {**MINIMAL, **more}


def catalog(definitions: Definitions, told: list[str] | None = None) -> Catalog:
    warnings: list[str] = [] if told is None else told
    return Topics(lambda _tenant: definitions, BASE, contents(), warnings.append).of(1)


def test_packages_add_to_what_ships() -> None:
    found = catalog(packaged(topic()))
    assert set(found.urls) == {*shipped().urls, "https://x.example/t"}
    assert found.find("https://x.example/t") is found.find("https://x.example/t|1")
    assert found.find("https://x.example/t|2") is None
    assert found.find("https://x.example/other") is None
    encounters = {one.url.rsplit("/", 1)[-1] for one in found.watching("Encounter")}
    assert encounters == {"admission", "resource-change", "t"}
    assert shipped().find("https://x.example/t") is None


def test_versions_live_side_by_side_and_the_newest_is_meant() -> None:
    found = catalog(packaged(*(topic(version=one) for one in ("1.9.0", "1.10.0", "1.10.0-beta"))))
    newest, older = found.find("https://x.example/t"), found.find("https://x.example/t|1.9.0")
    assert newest is not None
    assert older is not None
    assert (newest.version, older.version) == ("1.10.0", "1.9.0")
    assert {newest, older} <= set(found.watching("Encounter"))
    assert found.urls.count("https://x.example/t") == 1


def test_a_retired_topic_is_not_offered() -> None:
    told: list[str] = []
    found = catalog(packaged(topic(status="retired"), topic(version="2", status="draft")), told)
    assert found.find("https://x.example/t|1") is None
    assert found.find("https://x.example/t|2") is not None
    assert told == []


def test_a_bad_topic_is_left_out_and_told_of() -> None:
    told: list[str] = []
    bad = topic(url="https://x.example/bad", resourceTrigger=[{"resource": "Starship"}])
    found = catalog(packaged(bad, topic(), topic(url="https://x.example/worse", title=7)), told)
    assert found.find("https://x.example/bad") is None
    assert found.find("https://x.example/t") is not None
    assert len(told) == 2
    assert any("https://x.example/bad: resourceTrigger[0]: 'Starship'" in one for one in told)


@pytest.mark.parametrize("version", ["1.1.0", "9"])
def test_a_topic_of_ours_cannot_be_replaced(version: str) -> None:
    (ours,) = (one for one in contents() if one["id"] == "device-alert")
    told: list[str] = []
    found = catalog(packaged({**ours, "version": version, "title": "mine"}, dict(ours)), told)
    kept = found.find(canonical.TOPIC_DEVICE_ALERT)
    assert kept is not None
    assert kept.title == "Device alert"
    assert told
    assert all("comes with the server" in one for one in told)


def test_one_catalog_for_one_set_of_definitions() -> None:
    definitions = packaged(topic())
    tenants = {1: definitions, 2: definitions, 3: load()}
    every = topics(tenants.__getitem__, BASE)
    assert every.of(1) is every.of(2)
    assert every.of(1) is every.of_definitions(definitions)
    assert every.of(1) is not every.of(3)
    tenants[1] = packaged()
    assert every.of(1).find("https://x.example/t") is None, "definitions changed"


def test_a_topic_may_filter_by_a_parameter_that_comes_with_it() -> None:
    wanted = topic(
        resourceTrigger=[{"resource": "Patient", "queryCriteria": {"current": "shoe-size=43"}}],
        canFilterBy=[{"filterParameter": "shoe-size"}],
    )
    assert check_topic(wanted, load()) != []
    assert check_topic(wanted, packaged(SHOE_SIZE)) == []
    found = catalog(packaged(SHOE_SIZE, wanted)).find("https://x.example/t")
    assert found is not None
    size: Json = {"resourceType": "Patient", "maritalStatus": {"coding": [{"code": "43"}]}}
    assert found.fires(change(size))
    assert not found.fires(change({"resourceType": "Patient"}))
    assert found.values(size, ["shoe-size"]) == {"shoe-size": {"43", "|43"}}


@pytest.mark.parametrize(
    "hostile",
    [
        {"code": "status", "base": ["Flag"], "expression": "Flag.identifier"},
        {"code": "priority", "base": ["Flag"], "expression": "Flag.status"},
        {
            "url": "http://hl7.org/fhir/SearchParameter/clinical-patient",
            "code": "other-patient",
            "base": ["Flag"],
            "type": "reference",
            "target": ["Patient"],
            "expression": "Flag.author",
        },
        {"code": "organization", "base": ["Flag"], "expression": "Flag.status"},
    ],
)
def test_nobodys_search_parameter_changes_a_topic_of_ours(hostile: Json) -> None:
    told: list[str] = []
    alert = catalog(packaged({**SHOE_SIZE, **hostile}), told).find(canonical.TOPIC_DEVICE_ALERT)
    plain = shipped().find(canonical.TOPIC_DEVICE_ALERT)
    assert told == []
    assert alert is not None
    assert plain is not None
    assert alert.filters("Flag") == plain.filters("Flag")
    names = alert.filters("Flag")
    assert alert.values(FLAG, names) == plain.values(FLAG, names)


def test_what_a_package_is_told() -> None:
    (problem,) = check_topic(topic(title=None), load())
    assert problem.severity == "error"
    assert "https://x.example/t: " in problem.message
    (ours, *_) = contents()
    (problem,) = check_topic(ours, load())
    assert "comes with the server" in problem.message
    assert check_topic(topic(), load()) == []


def test_one_url_and_version_is_one_topic() -> None:
    with pytest.raises(BadTopic, match="twice"):
        Catalog([made(), made()])


def test_what_is_internal_is_not_offered() -> None:
    reading = shipped().find(canonical.TOPIC_READING)
    assert reading is not None
    assert reading.is_internal
    assert canonical.TOPIC_READING not in shipped().urls
