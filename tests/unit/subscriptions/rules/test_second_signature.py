"""Who has signed what, and what that allows."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from subscriptions.core.rule_provenance import provenance_of
from subscriptions.core.rules import compile_rules
from subscriptions.core.second_signature import digest_of, signed_orders
from tests.unit.subscriptions.rules.test_rule_reader import order
from tests.unit.subscriptions.rules.world import DEFAULTS, START, SYSTOLIC, World, reading, rule


def provenance(*who: str, target: str = "ServiceRequest/limits/_history/1") -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target}],
        "signature": [{"who": {"reference": one}} for one in who],
    }


def test_two_different_professionals_sign() -> None:
    signed = provenance("Practitioner/nina", "PractitionerRole/omar")
    assert signed_orders(signed) == (("limits", 1),)


@pytest.mark.parametrize(
    "who",
    [
        (),
        ("Practitioner/nina",),
        ("Practitioner/nina", "Practitioner/nina"),
        ("Practitioner/nina", "RelatedPerson/bob"),
    ],
)
def test_one_person_twice_or_a_partner_is_no_second_signature(who: tuple[str, ...]) -> None:
    assert signed_orders(provenance(*who)) == ()


def test_only_orders_are_meant() -> None:
    two = ("Practitioner/nina", "Practitioner/omar")
    assert signed_orders(provenance(*two, target="ServiceRequest/limits")) == (("limits", None),)
    for target in ("Patient/ann", "ServiceRequest/limits/_history/x", ""):
        assert signed_orders(provenance(*two, target=target)) == ()


def test_what_is_signed_are_the_rules_and_not_the_version() -> None:
    draft = order() | {"status": "draft"}
    active = order() | {"status": "active", "id": "limits", "meta": {"versionId": "2"}}
    assert digest_of(draft) == digest_of(active)
    other = deepcopy(active)
    other["extension"][0]["extension"][2]["valueRange"]["low"]["value"] = 60
    assert digest_of(other) != digest_of(active)
    assert digest_of(active | {"occurrencePeriod": {"end": "2027-01-01"}}) != digest_of(active)


def test_a_looser_limit_holds_only_when_signed() -> None:
    loose = rule(low=70, hysteresis=2)
    refused = compile_rules([loose], DEFAULTS, START)
    assert len(refused.problems) == 1
    assert World(own=(loose,)).measure(reading(SYSTOLIC, 75, 0)) == [
        "raised PH systolic blood pressure low"
    ]
    signed = replace(loose, signed=True)
    assert compile_rules([signed], DEFAULTS, START).problems == ()
    world = World(own=(signed,))
    assert world.measure(reading(SYSTOLIC, 75, 0)) == []
    assert world.measure(reading(SYSTOLIC, 69, 60)) == ["raised PH systolic blood pressure low"]


def test_a_change_of_rules_is_recorded_with_version_and_author() -> None:
    now = datetime(2026, 8, 1, 9, tzinfo=UTC)
    made = provenance_of("ServiceRequest/limits", 3, "UPDATE", "Practitioner/nina", now)
    assert made["target"] == [{"reference": "ServiceRequest/limits/_history/3"}]
    assert made["recorded"] == "2026-08-01T09:00:00.000Z"
    assert [agent["who"]["reference"] for agent in made["agent"]] == [
        "Practitioner/nina",
        "Device/fhirserver",
    ]
    without = provenance_of("PlanDefinition/default-rules", 1, "CREATE", None, now)
    assert len(without["agent"]) == 1
