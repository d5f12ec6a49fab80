"""The default set of a tenant: which PlanDefinition is in force, and what ends it."""

from decimal import Decimal

import pytest

from fhirserver.kernel.canonical import MONITORING_RULE
from fhirserver.kernel.resource import Json
from subscriptions.evaluation.rule_book import shipped_plan
from tests.integration.evaluation.conftest import SYSTOLIC, Home


def stricter(id_: str, low: int, **more: Json | str) -> Json:
    """The shipped set, in which the systolic pressure is low below `low`."""
    plan = shipped_plan()
    for action in plan["action"]:
        for rule in action.get("extension", ()):
            parts = {part["url"]: part for part in rule.get("extension", ())}
            if rule["url"] == MONITORING_RULE and parts["id"]["valueId"] == "systolic-low":
                parts["limit"]["valueRange"]["low"]["value"] = Decimal(low)
    return {**plan, "id": id_, "version": "2.0.0", **more}


async def is_low(home: Home, systolic: int) -> bool:
    before = len(home.listener.told)
    await home.measure(home.reading(SYSTOLIC, systolic))
    return len(home.listener.told) > before


@pytest.mark.parametrize("status", ["draft", "retired"])
async def test_a_set_that_is_not_in_force_ends_none_that_is(home: Home, status: str) -> None:
    await home.put(stricter("default-rules", 110))
    await home.put(stricter("next-year", 95, status=status))
    assert await is_low(home, 105)


async def test_a_draft_that_is_deleted_ends_nothing(home: Home) -> None:
    await home.put(stricter("default-rules", 110))
    await home.put(stricter("next-year", 95, status="draft"))
    async with home.record.transaction(1) as tx:
        await tx.delete("PlanDefinition", "next-year")
    assert await is_low(home, 105)


async def test_the_shipped_set_holds_when_the_one_in_force_is_retired_or_renamed(
    home: Home,
) -> None:
    await home.put(stricter("default-rules", 110))
    await home.put(stricter("default-rules", 110, url="https://example.org/another"))
    assert not await is_low(home, 105)
    assert await is_low(home, 85)
