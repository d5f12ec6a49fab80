"""The quality report: which sessions, what counts as found, and the page people read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.alarms.case import Case, cases
from conformance.alarms.door import millis
from conformance.alarms.figures import figures
from conformance.alarms.page import UNSEEN, page
from conformance.alarms.quality import with_fall
from conformance.alarms.result import FOUND_WITHIN_S, Page, Result, result_of

START = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
ONSET = START + timedelta(minutes=20)


def test_a_seed_fixes_every_case_and_every_part_of_a_run_holds_every_group() -> None:
    once, again = cases(7, 40), cases(7, 40)
    assert once == again
    assert once != cases(8, 40)
    assert {case.group for case in once[:20]} == {"clean", "drop", "access", "event"}
    assert sum(case.group == "clean" for case in once) == 20
    assert {case.group for case in cases(7, 5, "drop")} == {"drop"}


def decided(seconds: float, priority: str = "PH", *, rings: bool = True) -> dict[str, Any]:
    return {
        "at": millis(ONSET + timedelta(seconds=seconds)),
        "rings": rings,
        "alert": {"priority": priority, "code": "c"},
        "detail": {"reason": "r"},
    }


def result(group: str, *happened: dict[str, Any], drop: float | None = None) -> Result:
    case = Case(0, group, "needle-slip-fistula", 1, 60, 20.0)  # type: ignore[arg-type]
    return result_of(
        case,
        access="graft" if drop is not None and drop > 30 else "fistula",
        access_pressure=40.0,
        drop=drop,
        started=START,
        ended=START + timedelta(hours=1),
        onset=None if group == "clean" else ONSET,
        decided=happened,
    )


def test_the_first_high_page_after_the_onset_is_what_found_it() -> None:
    one = result("drop", decided(-30), decided(5, "PM"), decided(9), decided(20), drop=20.0)
    assert (one.after_s, one.by) == (9.0, "c")
    assert one.hours == 1.0


def test_too_late_is_not_found() -> None:
    assert result("drop", decided(FOUND_WITHIN_S + 1), drop=20.0).after_s is None


def test_what_rings_nobody_is_no_page() -> None:
    assert result("clean", decided(5, rings=False)).pages == ()


def some() -> list[Result]:
    false = Page("PH", "suspected", "changed", 100.0)
    return [
        result("clean"),
        replace(result("clean"), pages=(false,)),
        result("drop", decided(9), drop=20.0),
        result("drop", drop=16.0),
        result("drop", drop=5.0),
        result("access", decided(12), drop=40.0),
        replace(result("event", decided(2)), drop=None),
    ]


def test_the_figures_say_what_was_found_and_what_was_false() -> None:
    found = figures(some())
    slips = found["dislodgement"]
    assert (slips["at_least_promised"]["found"], slips["at_least_promised"]["sessions"]) == (2, 3)
    assert (slips["below"]["found"], slips["below"]["sessions"]) == (0, 1)
    assert slips["population"]["graft"]["found"] == 1
    assert found["device_events"]["found"] == 1
    assert found["clean"]["false_high_per_100"]["value"] == 50.0
    assert [one["drop"] for one in found["missed"]] == [16.0]
    assert len(found["false"]) == 1
    curve = {part["from"]: part["found"] for part in slips["curve"]}
    assert (curve[15.0], curve[20.0], curve[40.0]) == (0, 1, 1)


def test_the_page_names_its_command_the_promises_and_what_cannot_be_seen() -> None:
    found = figures(some())
    found["run"] = {"command": "python -m x", "seed": 1, "rules": "1.1.0"}
    text = page(found)
    assert "python -m x" in text
    assert "2 of 3" in text
    assert UNSEEN in text
    assert "1 x PH suspected changed" in text
    assert "What another threshold" not in text


def test_a_page_of_nothing_still_reads() -> None:
    found = figures([])
    found["run"] = {"command": "python -m x", "seed": 1, "rules": "1.1.0"}
    assert "| 15 to 20 | 0 | 0 | - |" in page(found)


def test_other_thresholds_are_shown_beside_their_cost() -> None:
    found = figures(some())
    found["run"] = {"command": "python -m x", "seed": 1, "rules": "1.1.0"}
    variant = {
        "delta": 9.0,
        "false_high_per_100": found["clean"]["false_high_per_100"],
        "curve": found["dislodgement"]["curve"],
    }
    assert "| 9 | 50.00 |" in page(found | {"what_if": [variant]})


def test_another_threshold_goes_into_the_dislodgement_rule_alone() -> None:
    def rule(name: str) -> dict[str, Any]:
        parts = [{"url": "id", "valueId": name}, {"url": "delta", "valueQuantity": {"value": -12}}]
        return {"extension": [{"extension": parts}]}

    plan = {"action": [{}, rule("other"), rule("venous-pressure-fall")]}
    changed = with_fall(plan, 9.0)
    values = [
        action["extension"][0]["extension"][1]["valueQuantity"]["value"]
        for action in changed["action"][1:]
    ]
    assert values == [-12, -9.0]
    with pytest.raises(ValueError, match="no rule"):
        with_fall({"action": []}, 9.0)
