"""The dry weight of a treatment plan makes the ultrafiltration rule, and takes it away again."""

from decimal import Decimal

from fhirserver.kernel.resource import Json
from subscriptions.core.rule import DryWeight
from subscriptions.evaluation.rule_book import RuleBook
from subscriptions.store import evaluation_rows
from tests.integration.evaluation.conftest import Home

RATE = "159036"


def goal(kilograms: int, status: str = "active", patient: str = "ann") -> Json:
    weight = {"system": "http://loinc.org", "code": "29463-7"}
    return {
        "resourceType": "Goal",
        "id": "dry",
        "lifecycleStatus": status,
        "description": {"text": "dry weight"},
        "subject": {"reference": f"Patient/{patient}"},
        "target": [
            {
                "measure": {"coding": [weight]},
                "detailQuantity": {"value": kilograms, "unit": "kg", "code": "kg"},
            }
        ],
    }


def plan(status: str = "active") -> Json:
    code = {"system": "http://snomed.info/sct", "code": "302497006"}
    return {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": status,
        "intent": "plan",
        "subject": {"reference": "Patient/ann"},
        "goal": [{"reference": "Goal/dry"}],
        "activity": [{"detail": {"status": "in-progress", "code": {"coding": [code]}}}],
    }


async def limits(home: Home) -> list[tuple[Decimal, DryWeight | None]]:
    async with home.record.transaction(1) as tx:
        rows = await evaluation_rows.lock(tx, {"ann": tx.bucket("ann", "Patient", "ann")})
        rules = (await RuleBook().of(tx, rows))["ann"]
    levels = rules.watches[RATE].high.levels
    return sorted(((level.bound, level.weighed) for level in levels), key=lambda one: one[0])


ABSOLUTE = (Decimal(1300), None)


def at(kilograms: int, version: int) -> tuple[Decimal, DryWeight]:
    weight = DryWeight(Decimal(kilograms), f"Goal/dry/_history/{version}")
    return Decimal(13 * kilograms), weight


async def test_the_goal_of_a_treatment_plan_makes_the_limit(home: Home) -> None:
    await home.put(goal(75))
    assert await limits(home) == [ABSOLUTE], "a Goal no plan names is no dry weight"
    await home.put(plan())
    assert await limits(home) == [at(75, 1), ABSOLUTE]
    await home.put(goal(70))
    assert await limits(home) == [at(70, 2), ABSOLUTE]
    await home.put(goal(70, status="completed"))
    assert await limits(home) == [ABSOLUTE]


async def test_it_goes_with_the_plan(home: Home) -> None:
    await home.put(plan(), goal(75))
    assert await limits(home) == [at(75, 1), ABSOLUTE]
    await home.put(plan("revoked"))
    assert await limits(home) == [ABSOLUTE]
    assert await home.query("SELECT count(*) FROM rule_set WHERE patient <> ''") == [(0,)]


async def test_the_weight_of_somebody_else_is_nobodys(home: Home) -> None:
    await home.put({"resourceType": "Patient", "id": "ben"}, goal(75, patient="ben"), plan())
    assert await limits(home) == [ABSOLUTE]
