"""What the Subscriptions guide adds to search: found where the extensions really are."""

from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.definitions.shipped import further_parameters
from fhirserver.kernel.canonical import BACKPORT, BACKPORT_GUIDE, BASE
from fhirserver.search.match import matches
from fhirserver.search.query import parse, supported_parameters
from fhirserver.validation import validate

OWNER = BASE + "StructureDefinition/subscription-owner"
SUBSCRIPTION: dict[str, Any] = {
    "resourceType": "Subscription",
    "id": "s1",
    "status": "active",
    "reason": "alerts",
    "extension": [{"url": OWNER, "valueString": "related-person RelatedPerson/bob"}],
    "criteria": "https://t/alert",
    "_criteria": {
        "extension": [
            {"url": BACKPORT + "backport-filter-criteria", "valueString": "Flag?patient=Patient/a"},
            {"url": BACKPORT + "backport-filter-criteria", "valueString": "Flag?status=active"},
        ]
    },
    "channel": {
        "type": "message",
        "_type": {
            "extension": [
                {
                    "url": BACKPORT + "backport-channel-type",
                    "valueCoding": {"system": "https://t/channels", "code": "queue"},
                }
            ]
        },
        "payload": "application/fhir+json",
        "_payload": {
            "extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": "id-only"}]
        },
    },
}
BARE: dict[str, Any] = {
    "resourceType": "Subscription",
    "status": "active",
    "reason": "alerts",
    "criteria": "Flag?status=active",
    "channel": {"type": "rest-hook"},
}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("topic", "https://t/alert", True),
        ("topic", "https://t/other", False),
        ("topic:below", "https://t/", True),
        ("filter-criteria", "flag?patient", True),
        ("filter-criteria:contains", "status=active", True),
        ("filter-criteria:exact", "Flag?status=active", True),
        ("filter-criteria", "Task", False),
        ("custom-channel", "queue", True),
        ("custom-channel", "https://t/channels|queue", True),
        ("custom-channel", "https://t/other|queue", False),
        ("payload-type", "id-only", True),
        ("payload-type", "empty", False),
        ("payload-type:missing", "false", True),
        ("owner", "related-person RelatedPerson/bob", True),
        ("owner", "related-person RelatedPerson/bo", False),
        ("owner", "patient RelatedPerson/bob", False),
    ],
)
def test_by_meaning(name: str, value: str, found: bool) -> None:
    definitions = load()
    query = parse("Subscription", [(name, value)], definitions)
    assert matches(SUBSCRIPTION, query, definitions, None) is found


def test_plain_subscriptions_have_none_of_it() -> None:
    definitions = load()
    for name in ("filter-criteria", "custom-channel", "payload-type", "owner"):
        query = parse("Subscription", [(f"{name}:missing", "true")], definitions)
        assert matches(BARE, query, definitions, None)


def test_they_are_the_guides_own_but_for_the_owner() -> None:
    found = {one["code"]: one for one in further_parameters() if one["base"] == ["Subscription"]}
    assert validate(found.pop("owner")) == []
    assert sorted(found) == ["custom-channel", "filter-criteria", "payload-type", "topic"]
    for code, one in found.items():
        assert one["url"] == f"{BACKPORT_GUIDE}SearchParameter/Subscription-{code}"
        assert validate(one) == []
    supported = supported_parameters("Subscription", load())
    assert {code: supported[code].url for code in found} == {
        code: one["url"] for code, one in found.items()
    }


def test_they_need_no_reindex_and_are_nobodys_own() -> None:
    extended = load().extended([], frozenset())
    assert "topic" in extended.search_parameters("Subscription")
    assert extended.pending_parameters() == {}
