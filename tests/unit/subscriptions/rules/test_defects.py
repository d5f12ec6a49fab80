"""What an earlier product of this kind got wrong about limits and readings, one test each."""

from decimal import Decimal
from typing import Any

import pytest

from fhirserver.kernel.readings import Reading
from subscriptions.core.observation_reader import read_observation
from subscriptions.core.rule_reader import read_order
from tests.unit.subscriptions.rules.test_rule_reader import order
from tests.unit.subscriptions.rules.world import (
    ARTERIAL,
    MEAN,
    START,
    SYSTOLIC,
    TMP,
    UF,
    VENOUS,
    World,
    event,
    reading,
    rule,
)


@pytest.mark.parametrize("code", [SYSTOLIC, "8480-6"])
def test_a_patients_own_limit_applies_whatever_code_the_order_and_the_device_use(code: str) -> None:
    coding = {
        "valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}
    }
    own = read_order(order(parameter=coding, priority={"valueCode": "PH"}), 3).rules
    world = World(own=own)
    assert world.measure(reading(code, 99, 0)) == ["raised PM systolic blood pressure low"]
    assert world.alerts[0].rule_version == "ServiceRequest/x/_history/3"


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"valueQuantity": {"code": "mm[Hg]"}},
        {"valueQuantity": {"value": Decimal(210)}},
        {"dataAbsentReason": {"coding": [{"code": "not-performed"}]}},
    ],
)
def test_a_missing_value_is_no_value_and_raises_nothing(value: dict[str, Any]) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "effectiveDateTime": START.isoformat(),
        **value,
    }
    found = read_observation(observation, patient="ann", received=START, bound=True, mode="TX")
    assert found == []
    assert World().measure(*found) == []


def test_a_flip_from_high_to_low_is_an_alert_of_its_own() -> None:
    world = World()
    assert world.measure(reading(SYSTOLIC, 230, 0)) == ["raised PH systolic blood pressure high"]
    assert sorted(world.measure(reading(SYSTOLIC, 70, 30))) == [
        "condition-ended PH systolic blood pressure high",
        "raised PH systolic blood pressure low",
    ]


def test_a_shrinking_set_of_violations_raises_nothing_new() -> None:
    world = World()
    both = world.measure(reading(SYSTOLIC, 70, 0), reading(MEAN, 45, 0))
    assert both == ["raised PH systolic blood pressure low"]
    assert world.measure(reading(SYSTOLIC, 70, 60), reading(MEAN, 75, 60)) == []
    assert len(world.open) == 1


BEYOND: list[list[Reading]] = [
    [reading(ARTERIAL, -310, 0)],
    [reading(ARTERIAL, -260, second) for second in (0, 5, 10)],
    [reading(TMP, 420, 0)],
    [reading(TMP, 310, second) for second in (0, 5, 10)],
    [reading(UF, 1400, second) for second in (0, 30, 60)],
    [reading(MEAN, 45, 0)],
    [reading(VENOUS, 5, 0)],
    [reading("150456", 78, 0)],
]


@pytest.mark.parametrize("readings", BEYOND, ids=lambda given: f"{given[0].code}-{given[0].value}")
def test_every_pressure_flow_and_saturation_is_evaluated(readings: list[Reading]) -> None:
    world = World()
    world.measure(*readings)
    assert len(world.open) == 1


def test_a_machines_own_alarm_is_evaluated() -> None:
    assert World().hear(event("198262", 0)) == ["raised PH air in the venous line"]


def test_a_rule_that_tightens_never_takes_the_floor_away() -> None:
    world = World(own=(rule(low=100, floor_low=95),))
    assert world.measure(reading(SYSTOLIC, 94, 0)) == ["raised PH systolic blood pressure low"]
