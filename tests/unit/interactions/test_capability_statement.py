"""The CapabilityStatement tells what the route table and the search language hold, and no more."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fhirserver.definitions import load
from fhirserver.interactions.capability_statement import (
    NORMATIVE,
    SUBSCRIPTION_PROFILE,
    TOPIC_EXTENSION,
    Offer,
    Product,
    capability_statement,
)
from fhirserver.kernel.resource import Json
from fhirserver.rest.routes import ROUTES, offers
from fhirserver.search.query import supported_parameters
from fhirserver.validation import validate

TOPICS = ("https://w3id.org/fhirserver/SubscriptionTopic/device-alert",)
PRODUCT = Product("0.1.0", "http://test/fhir", datetime(2026, 3, 4, tzinfo=UTC), TOPICS)


def make(offered: tuple[Offer, ...] = offers(ROUTES), product: Product = PRODUCT) -> Json:
    definitions = load()
    searchable = {one: supported_parameters(one, definitions) for one in definitions.resource_types}
    return capability_statement(offered, definitions, searchable, product)


def resource(statement: Json, type_: str) -> Json:
    return next(one for one in statement["rest"][0]["resource"] if one["type"] == type_)


def test_it_is_a_valid_resource() -> None:
    assert validate(make()) == []


def test_every_resource_type_is_there_once() -> None:
    types = [one["type"] for one in make()["rest"][0]["resource"]]

    assert sorted(types) == sorted(load().resource_types)


def test_interactions_are_those_of_the_route_table() -> None:
    codes = [one["code"] for one in resource(make(), "Patient")["interaction"]]

    assert sorted(codes) == [
        "create", "delete", "history-instance", "history-type", "patch", "read", "search-type",
        "update", "vread",
    ]  # fmt: skip
    system = [one["code"] for one in make()["rest"][0]["interaction"]]
    assert sorted(system) == ["batch", "history-system", "search-system", "transaction"]


def test_what_is_not_routed_is_not_claimed() -> None:
    statement = make((Offer("read", "instance"),))
    patient = resource(statement, "Patient")

    assert patient["interaction"] == [{"code": "read"}]
    assert patient["updateCreate"] is False
    assert patient["readHistory"] is False
    assert "operation" not in statement["rest"][0]


def test_operations_stand_where_they_can_be_called() -> None:
    statement = make()

    system = {one["name"] for one in statement["rest"][0]["operation"]}
    device = {one["name"] for one in resource(statement, "Device")["operation"]}
    patient = {one["name"] for one in resource(statement, "Patient")["operation"]}
    assert {"issue-token", "dead-letters"} <= system
    assert device - patient == {"enroll", "revoke-device"}
    assert "everything" in patient - device
    assert not {"issue-token", "dead-letters"} & (device | patient)


def test_operations_name_the_definition_they_follow() -> None:
    definition = "http://hl7.org/fhir/OperationDefinition/Patient-everything"
    product = replace(PRODUCT, operations={"everything": definition})
    found = {one["name"]: one for one in resource(make(product=product), "Patient")["operation"]}

    assert found["everything"]["definition"] == definition


def test_links_between_types_are_those_of_reference_parameters() -> None:
    statement = make()

    assert "Observation:subject" in resource(statement, "Observation")["searchInclude"]
    assert "Observation:code" not in resource(statement, "Observation")["searchInclude"]
    assert "Observation:patient" in resource(statement, "Patient")["searchRevInclude"]
    assert "searchRevInclude" not in resource(make((Offer("read", "instance"),)), "Patient")


def test_profiles_of_the_tenant_are_listed() -> None:
    profile = {
        "resourceType": "StructureDefinition",
        "url": "http://example.org/StructureDefinition/patient",
        "name": "P",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {"element": [{"id": "Patient", "path": "Patient"}]},
    }
    definitions = load().extended([profile], frozenset())
    searchable = {one: supported_parameters(one, definitions) for one in definitions.resource_types}
    statement = capability_statement(offers(ROUTES), definitions, searchable, PRODUCT)

    assert profile["url"] in resource(statement, "Patient")["supportedProfile"]
    assert profile["url"] not in resource(make(), "Patient").get("supportedProfile", [])


def test_normative_has_fewer_types_and_the_same_claims() -> None:
    definitions = load()
    searchable = {one: supported_parameters(one, definitions) for one in definitions.resource_types}
    short = capability_statement(offers(ROUTES), definitions, searchable, PRODUCT, "normative")

    assert {one["type"] for one in short["rest"][0]["resource"]} == NORMATIVE
    assert resource(short, "Patient") == resource(make(), "Patient")


@pytest.mark.parametrize("type_", ["Patient", "Observation", "Flag"])
def test_search_parameters_are_those_the_search_language_takes(type_: str) -> None:
    told = {one["name"]: one["type"] for one in resource(make(), type_)["searchParam"]}
    taken = supported_parameters(type_, load())

    assert told == {code: parameter.type for code, parameter in taken.items()}


def test_our_topics_are_listed_at_the_subscription() -> None:
    subscription = resource(make(), "Subscription")

    assert subscription["extension"] == [{"url": TOPIC_EXTENSION, "valueCanonical": TOPICS[0]}]
    assert subscription["supportedProfile"] == [SUBSCRIPTION_PROFILE]


def test_without_topics_none_is_claimed() -> None:
    product = Product("0.1.0", "http://test/fhir", PRODUCT.started)
    subscription = resource(make(product=product), "Subscription")

    assert "extension" not in subscription
    assert "supportedProfile" not in subscription


def test_what_is_written_once_is_not_said_to_be_changed() -> None:
    statement = make()
    event = resource(statement, "AuditEvent")
    assert sorted(one["code"] for one in event["interaction"]) == [
        "create", "history-instance", "history-type", "read", "search-type", "vread",
    ]  # fmt: skip
    assert (event["updateCreate"], event["conditionalUpdate"]) == (True, False)
    assert (event["conditionalDelete"], event["versioning"]) == ("not-supported", "versioned")
    assert validate(statement) == []
