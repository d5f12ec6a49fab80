"""Rules in force against a real database: defaults, a patient's own orders, signatures, provenance of every change."""

import pytest

from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.principal import Principal
from subscriptions.evaluation import defaults
from subscriptions.evaluation.part import Evaluation
from tests.integration.evaluation.conftest import SYSTOLIC, Home, order

ADMIN = Principal(1, "admin", "")


async def test_the_default_rules_are_seeded_once(home: Home) -> None:
    async with home.record.transaction(1) as tx:
        await defaults.ensure(tx)
        plan = await tx.get_stored("PlanDefinition", "default-rules")
    assert plan is not None
    assert plan.version == 1


async def test_an_own_order_takes_effect_with_the_next_reading_and_ends_with_it(home: Home) -> None:
    await home.measure(home.reading(SYSTOLIC, 105))
    assert home.listener.told == []
    await home.put(order(110))
    await home.measure(home.reading(SYSTOLIC, 105))
    assert home.listener.told[0][1].rule_version == "ServiceRequest/limits/_history/1"
    await home.put(order(110, status="revoked"))
    home.pass_time(10)
    await home.measure(home.reading(SYSTOLIC, 105))
    assert home.listener.causes == ["raised PM 196670", "condition-ended PM 196670"]


async def test_an_order_beyond_the_floor_is_recorded_as_an_advisory(home: Home) -> None:
    await home.put(order(60))
    assert home.listener.causes == ["raised PL rule-ignored"]
    await home.measure(home.reading(SYSTOLIC, 75))
    assert home.listener.causes[-1] == "raised PH 196670"


async def test_looser_than_a_floor_needs_two_signatures_on_the_draft(home: Home) -> None:
    async with home.record.transaction(1) as tx:
        with pytest.raises(Unprocessable) as refusal:
            await home.evaluation.admit(tx, ADMIN, order(70), None)
        await home.evaluation.admit(tx, ADMIN, order(70, status="draft"), None)
    assert "hard floor" in refusal.value.problems[0].message
    await home.put(order(70, status="draft"))
    await home.put(
        {
            "resourceType": "Provenance",
            "id": "signed",
            "target": [{"reference": "ServiceRequest/limits/_history/1"}],
            "recorded": "2026-08-01T09:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/dr"}}],
            "signature": [
                {"who": {"reference": f"Practitioner/{who}"}} for who in ("dr", "second")
            ],
        }
    )
    async with home.record.transaction(1) as tx:
        await home.evaluation.admit(tx, ADMIN, order(70), None)
        with pytest.raises(Unprocessable):
            await home.evaluation.admit(tx, ADMIN, order(60), None)
    await home.put(order(70))
    await home.measure(home.reading(SYSTOLIC, 75))
    assert home.listener.causes == []
    await home.measure(home.reading(SYSTOLIC, 69))
    assert home.listener.causes == ["raised PM 196670"]


async def test_a_changed_rule_holds_in_every_process_with_the_next_reading(home: Home) -> None:
    elsewhere = Evaluation(home.listener)
    for low, value in ((110, 115), (120, 115), (100, 115)):
        await home.put(order(low))
        home.pass_time(1)
        async with home.record.transaction(1) as tx:
            await elsewhere.readings(tx, [home.reading(SYSTOLIC, value)])
    assert home.listener.causes == ["raised PM 196670", "condition-ended PM 196670"]
    assert home.listener.told[0][1].rule_version == "ServiceRequest/limits/_history/2"


async def test_every_change_of_rules_is_recorded_in_a_provenance(home: Home) -> None:
    await home.put(order(110))
    await home.put(order(112))
    await home.put(order(112, status="revoked"))
    await home.put(order(112, status="revoked"))
    found = await home.resources("Provenance")
    recorded = [
        (one["target"][0]["reference"], one["activity"]["coding"][0]["code"])
        for one in sorted(found, key=lambda one: one["target"][0]["reference"])
        if one["target"][0]["reference"].startswith("ServiceRequest")
    ]
    assert recorded == [
        ("ServiceRequest/limits/_history/1", "CREATE"),
        ("ServiceRequest/limits/_history/2", "UPDATE"),
        ("ServiceRequest/limits/_history/3", "DELETE"),
    ]
    assert found[0]["agent"][0]["who"]["reference"] == "Practitioner/dr"


async def test_a_malformed_rule_is_refused_with_its_place(home: Home) -> None:
    async with home.record.transaction(1) as tx:
        with pytest.raises(Unprocessable) as refusal:
            await home.evaluation.admit(tx, ADMIN, order(110, unit="kPa"), None)
    (problem,) = refusal.value.problems
    assert problem.expression == "ServiceRequest.extension[0].limit.low"
    assert "mm[Hg]" in problem.message
