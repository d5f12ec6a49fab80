"""The CapabilityStatement tells what the route table and the search language hold, and no more."""

from datetime import UTC, datetime

import pytest

from fhirserver.definitions import load
from fhirserver.interactions.capability_statement import (
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

    assert codes == [
        "read", "vread", "update", "delete", "history-instance", "create", "search-type",
    ]  # fmt: skip


def test_what_is_not_routed_is_not_claimed() -> None:
    statement = make((Offer("read", "instance"),))
    patient = resource(statement, "Patient")

    assert patient["interaction"] == [{"code": "read"}]
    assert patient["updateCreate"] is False
    assert patient["readHistory"] is False
    assert "operation" not in statement["rest"][0]


def test_operations_stand_where_they_can_be_called() -> None:
    statement = make()

    assert [one["name"] for one in statement["rest"][0]["operation"]] == [
        "issue-token",
        "dead-letters",
    ]
    assert [one["name"] for one in resource(statement, "Device")["operation"]] == ["enroll"]
    assert "operation" not in resource(statement, "Patient")


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
