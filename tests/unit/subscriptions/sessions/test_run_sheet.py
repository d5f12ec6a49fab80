"""What stands on a run sheet."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fhirserver.kernel.figures import Figures
from fhirserver.kernel.resource import Json
from fhirserver.validation import validate
from subscriptions.core.run_sheet import Sheet, report, report_id
from subscriptions.core.treatment_plan import dry_weight, goals_of, planned_seconds

START = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
NOW = START + timedelta(hours=4, minutes=3)
VENOUS = Figures(3, Decimal(160), Decimal("170.5"), Decimal("165.1666666"))
REMOVED = Figures(3, Decimal(0), Decimal(2400), Decimal(1200))


def sheet(**changes: Any) -> Sheet:
    made: dict[str, Any] = {
        "patient": "ann",
        "started": START,
        "ended": START + timedelta(hours=4),
        "figures": {"158776": VENOUS, "159032": REMOVED},
        "alerts": (),
        "dry_weight": Decimal(75),
        "simulated": False,
    }
    return Sheet(**(made | changes))


def lines(content: Json) -> dict[str, Json]:
    return {one["id"]: one for one in content.get("contained", ())}


def test_it_is_valid_and_says_everything_once() -> None:
    content = report(sheet(), NOW, amends=False)
    assert validate(content) == []
    assert list(lines(content)) == ["m158776", "m159032", "ultrafiltration"]
    assert [one["reference"] for one in content["result"]] == [
        "#m158776",
        "#m159032",
        "#ultrafiltration",
    ]
    assert content["conclusion"] == "240 min. 2400 mL removed. No alerts."


def test_a_mean_has_one_digit_more_than_what_was_measured() -> None:
    (venous, *_) = report(sheet(), NOW, amends=False)["contained"]
    values = [one["valueQuantity"]["value"] for one in venous["component"][:3]]
    assert values == [Decimal(160), Decimal("165.17"), Decimal("170.5")]
    assert venous["component"][3]["valueInteger"] == 3


def test_ultrafiltration_is_told_by_dry_weight() -> None:
    found = lines(report(sheet(), NOW, amends=False))["ultrafiltration"]["valueQuantity"]
    assert (found["value"], found["code"]) == (Decimal("8.0"), "mL/kg/h")


@pytest.mark.parametrize(
    "changes", [{"dry_weight": None}, {"ended": START}, {"figures": {"158776": VENOUS}}]
)
def test_what_is_not_known_is_not_told(changes: dict[str, Any]) -> None:
    assert "ultrafiltration" not in lines(report(sheet(**changes), NOW, amends=False))


def test_a_treatment_of_which_nothing_was_stored_has_a_run_sheet_too() -> None:
    content = report(sheet(figures={}, dry_weight=None), NOW, amends=True)
    assert validate(content) == []
    assert content["status"] == "amended"
    assert "result" not in content


def test_test_data_stays_test_data() -> None:
    content = report(sheet(simulated=True), NOW, amends=False)
    assert content["meta"]["security"][0]["code"] == "HTEST"


def test_one_treatment_has_one_run_sheet() -> None:
    assert report_id("treatment-0a") == "run-sheet-0a"


def plan(duration: Any = 4, unit: str = "h", **more: Any) -> Json:
    repeat = {"duration": duration, "durationUnit": unit}
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "302497006"}]}
    detail = {"code": code, "scheduledTiming": {"repeat": repeat}}
    return {"status": "active", "intent": "plan", "activity": [{"detail": detail}], **more}


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        (plan(), 14_400),
        (plan(Decimal("3.5")), 12_600),
        (plan(210, "min"), 12_600),
        (plan(1, "d"), None),
        (plan(0), None),
        (plan(30), None),
        (plan(status="draft"), None),
        (plan(intent="option"), None),
        (plan(activity=[{"detail": {"code": {"text": "walk"}}}]), None),
        (plan(activity=[{"reference": {"reference": "ServiceRequest/a"}}]), None),
        ({"status": "active"}, None),
    ],
)
def test_how_long_a_plan_says(content: Json, seconds: int | None) -> None:
    assert planned_seconds(content) == seconds


def goal(
    value: Any = 75, *, unit: str = "kg", code: str = "29463-7", status: str = "active"
) -> Json:
    measure = {"coding": [{"system": "http://loinc.org", "code": code}]}
    target = {"measure": measure, "detailQuantity": {"value": value, "code": unit}}
    return {"lifecycleStatus": status, "target": [target]}


@pytest.mark.parametrize(
    ("content", "kilograms"),
    [
        (goal(), 75),
        (goal(Decimal("74.5")), Decimal("74.5")),
        (goal(status="completed"), None),
        (goal(unit="[lb_av]"), None),
        (goal(code="8480-6"), None),
        (goal(0), None),
        ({"lifecycleStatus": "active"}, None),
    ],
)
def test_which_goal_is_the_dry_weight(content: Json, kilograms: Any) -> None:
    assert dry_weight(content) == kilograms


def test_which_goals_a_plan_names() -> None:
    named = [{"reference": "Goal/a"}, {"reference": "http://x/fhir/Goal/b"}, {"display": "c"}]
    assert list(goals_of({"goal": named})) == ["a", "b"]
