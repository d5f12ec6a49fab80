"""Readings in, alerts out: each test is a transcript of one bedside."""

import pytest

from subscriptions.core.evaluate import evaluate
from subscriptions.core.life_cycle import respond
from subscriptions.core.window import Window
from tests.unit.subscriptions.rules.world import (
    ARTERIAL,
    MEAN,
    PULSE,
    SYSTOLIC,
    TMP,
    UF,
    VENOUS,
    World,
    at,
    reading,
    rule,
)


def test_a_value_at_the_limit_is_no_breach() -> None:
    assert World().measure(reading(SYSTOLIC, 90, 0), reading(SYSTOLIC, 180, 60)) == []


def test_between_limit_and_floor_a_second_reading_confirms() -> None:
    world = World()
    assert world.measure(reading(SYSTOLIC, 88, 0)) == ["raised PM systolic blood pressure low"]
    assert world.measure(reading(SYSTOLIC, 87, 60)) == [
        "priority-raised PH systolic blood pressure low"
    ]
    (alert,) = world.alerts
    assert (alert.code, alert.family, alert.generation) == ("196670", "hypotension", 2)
    assert alert.rule_version == "https://w3id.org/fhirserver/PlanDefinition/default-rules|1.2.0"


def test_a_second_reading_that_does_not_come_is_high_priority_after_two_minutes() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 88, 0))
    assert world.wait(119) == []
    assert world.wait(120) == ["priority-raised PH systolic blood pressure low"]
    assert world.wait(240) == []


def test_a_second_reading_within_limits_calls_the_deadline_off_and_ends_the_condition() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 88, 0))
    assert world.measure(reading(SYSTOLIC, 112, 60)) == [
        "condition-ended PM systolic blood pressure low"
    ]
    assert world.wait(600) == []
    assert world.open, "hypotension is ended by a person only"


def test_beyond_the_hard_floor_the_first_plausible_reading_is_high_priority() -> None:
    assert World().measure(reading(SYSTOLIC, 79, 0)) == ["raised PH systolic blood pressure low"]


def test_systolic_and_mean_falling_together_are_one_alert() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 75, 0), reading(MEAN, 48, 0))
    assert len(world.alerts) == 1


def test_one_alert_of_two_pressures_ends_only_with_the_last() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 75, 0), reading(MEAN, 48, 0))
    assert world.measure(reading(SYSTOLIC, 110, 60)) == []
    assert world.measure(reading(MEAN, 80, 60)) == [
        "condition-ended PH systolic blood pressure low"
    ]


def test_a_breach_that_has_yet_to_last_keeps_no_alert_of_another_pressure_open() -> None:
    world = World(own=(rule(low=110, priority="PM", sustained=60.0),))
    world.measure(reading(MEAN, 48, 0), reading(SYSTOLIC, 105, 0))
    assert world.measure(reading(MEAN, 80, 30)) == ["condition-ended PH mean blood pressure low"]
    assert world.measure(reading(SYSTOLIC, 120, 40)) == []
    assert [alert.condition for alert in world.open] == ["absent"]


def test_sustained_for_waits_and_an_interruption_starts_anew() -> None:
    world = World()
    assert world.measure(*(reading(VENOUS, 15, second) for second in range(10))) == []
    assert world.measure(reading(VENOUS, 120, 10)) == []
    assert world.measure(*(reading(VENOUS, 15, second) for second in range(11, 21))) == []
    assert world.measure(reading(VENOUS, 15, 21)) == ["raised PM venous pressure low"]


def test_hysteresis_keeps_the_alert_until_the_value_is_well_inside() -> None:
    world = World()
    world.measure(*(reading(VENOUS, 15, second) for second in range(11)))
    assert world.measure(reading(VENOUS, 25, 20)) == []
    assert world.measure(reading(VENOUS, 30, 21)) == ["condition-ended PM venous pressure low"]


@pytest.mark.parametrize("mode", ["PRETX", "POSTTX"])
def test_preparation_and_rinse_back_silence_circuit_pressures_only(mode: str) -> None:
    world = World()
    circuit = [
        reading(code, value, second, mode=mode)  # type: ignore[arg-type]
        for second in range(12)
        for code, value in ((VENOUS, 0), (ARTERIAL, -400), (TMP, 500))
    ]
    assert world.measure(*circuit) == []
    assert world.measure(reading(SYSTOLIC, 70, 20, mode=mode)) == [  # type: ignore[arg-type]
        "raised PH systolic blood pressure low"
    ]


def test_an_unknown_mode_counts_as_treatment() -> None:
    assert World().measure(reading(VENOUS, 0, 0, mode=None)) == ["raised PH venous pressure low"]


def test_rinse_back_ends_the_condition_of_a_circuit_pressure() -> None:
    world = World()
    world.measure(*(reading(VENOUS, 15, second) for second in range(11)))
    assert world.measure(reading(VENOUS, 15, 30, mode="POSTTX")) == [
        "condition-ended PM venous pressure low"
    ]


def test_an_incredible_value_asks_for_a_look_and_a_second_one_counts_as_a_breach() -> None:
    world = World()
    assert world.measure(reading(SYSTOLIC, 20, 0)) == [
        "raised PM reading not credible, check the patient"
    ]
    assert world.measure(reading(SYSTOLIC, 20, 100)) == ["raised PH systolic blood pressure low"]


def test_two_incredible_values_far_apart_are_no_breach() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 20, 0), reading(SYSTOLIC, 20, 200))
    assert [alert.family for alert in world.alerts] == ["credibility"]


def test_a_credible_value_ends_the_doubt() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 20, 0))
    assert world.measure(reading(SYSTOLIC, 120, 30)) == [
        "condition-ended PM reading not credible, check the patient"
    ]


def test_outside_treatment_an_incredible_value_is_ignored() -> None:
    assert World().measure(reading(VENOUS, -400, 0, mode="IDL")) == []


def test_a_value_in_another_unit_is_not_credible() -> None:
    assert World().measure(reading(SYSTOLIC, 120, 0, unit="kPa")) == [
        "raised PM reading not credible, check the patient"
    ]


def test_a_sample_older_than_a_minute_is_delayed_and_still_pages() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0, late=61))
    (alert,) = world.alerts
    assert (alert.delayed, alert.pages) == (True, True)


def test_a_sample_older_than_five_minutes_is_shown_and_pages_nobody() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0, late=301))
    (alert,) = world.alerts
    assert (alert.delayed, alert.pages) == (True, False)


def test_an_unbound_device_pages_nobody() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0, bound=False))
    assert not world.alerts[0].pages


def test_a_live_breach_after_an_old_one_pages() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0, late=400))
    assert world.measure(reading(SYSTOLIC, 70, 500)) == [
        "rang-again PH systolic blood pressure low"
    ]
    assert world.alerts[0].pages


def test_a_late_sample_may_raise_but_never_clears() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 75, 10))
    assert world.measure(reading(SYSTOLIC, 120, 5, late=8)) == []
    fresh = World()
    fresh.measure(reading(SYSTOLIC, 120, 10))
    assert fresh.measure(reading(SYSTOLIC, 75, 5, late=8)) == [
        "raised PH systolic blood pressure low"
    ]


def test_a_patients_own_limit_speaks_before_the_default() -> None:
    world = World(own=(rule(low=110, priority="PM", reread=True),))
    assert world.measure(reading(SYSTOLIC, 105, 0)) == ["raised PM systolic blood pressure low"]
    assert world.alerts[0].rule_version == "ServiceRequest/x/_history/3"


def test_under_an_own_limit_the_default_limit_still_stands() -> None:
    world = World(own=(rule(low=110, priority="PM", reread=True),))
    world.measure(reading(SYSTOLIC, 105, 0))
    assert world.measure(reading(SYSTOLIC, 85, 60)) == [
        "priority-raised PH systolic blood pressure low"
    ]
    assert world.alerts[0].rule == "https://w3id.org/fhirserver/PlanDefinition/default-rules"


def test_an_own_limit_may_loosen_down_to_the_floor() -> None:
    world = World(own=(rule(low=85),))
    assert world.measure(reading(SYSTOLIC, 87, 0)) == []


def test_an_own_limit_for_rinse_back_loosens_nothing_in_treatment() -> None:
    world = World(own=(rule(low=82, modes=("POSTTX",)),))
    assert world.measure(reading(SYSTOLIC, 88, 0)) == ["raised PM systolic blood pressure low"]


def test_an_own_limit_for_preparation_is_none_in_treatment() -> None:
    world = World(own=(rule(low=130, modes=("PRETX",)),))
    assert world.measure(reading(SYSTOLIC, 120, 0)) == []
    assert world.measure(reading(SYSTOLIC, 120, 10, mode="PRETX")) != []
    assert World(own=world.own).measure(reading(SYSTOLIC, 120, 0, mode=None)) != []


def test_an_own_limit_beyond_the_floor_is_ignored_and_recorded() -> None:
    world = World(own=(rule(low=60),))
    (problem,) = world.rules.problems
    assert problem.startswith("ServiceRequest/x/_history/3 rule own: low limit 60 mm[Hg] is beyond")
    assert world.measure(reading(SYSTOLIC, 75, 0)) == ["raised PH systolic blood pressure low"]


def test_of_several_own_limits_the_tightest_speaks() -> None:
    world = World(own=(rule(low=85, id_="b"), rule(low=100, id_="a", priority="PM")))
    assert world.measure(reading(SYSTOLIC, 99, 0)) == ["raised PM systolic blood pressure low"]


def test_an_expired_rule_leaves_the_defaults() -> None:
    world = World(own=(rule(low=110, ends=at(-1)),))
    assert world.measure(reading(SYSTOLIC, 105, 0)) == []
    assert world.measure(reading(SYSTOLIC, 70, 10)) == ["raised PH systolic blood pressure low"]


def test_a_rule_that_is_withdrawn_ends_what_only_it_watched() -> None:
    weight = rule("weight", ("188736", "29463-7"), high=80, priority="PM")
    world = World(own=(weight,))
    world.measure(reading("188736", 82, 0))
    world.own = ()
    assert world.measure(reading(PULSE, 70, 60)) == [
        "condition-ended PM systolic blood pressure high"
    ]
    assert world.window.entries == {}


def test_an_open_alert_is_not_raised_again_by_a_smaller_or_repeated_breach() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0))
    assert world.measure(reading(SYSTOLIC, 70, 0), reading(SYSTOLIC, 78, 60)) == []


def test_a_pm_crossing_again_within_ten_minutes_is_suppressed_and_recorded() -> None:
    world = World()
    pulse = [reading(PULSE, 140, 0), reading(PULSE, 100, 60), reading(PULSE, 140, 120)]
    assert world.measure(*pulse) == [
        "raised PM heart rate high",
        "condition-ended PM heart rate high",
        "suppressed PM heart rate high",
    ]
    assert world.measure(reading(PULSE, 100, 660), reading(PULSE, 140, 661))[-1] == (
        "rang-again PM heart rate high"
    )


def test_a_high_priority_crossing_rings_again_once_somebody_has_answered() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0), reading(SYSTOLIC, 120, 60))
    answered = respond(world.alerts[0], "acknowledge", "RelatedPerson/bob", at(70)).alert
    world.replace(answered)
    assert world.measure(reading(SYSTOLIC, 70, 90)) == ["rang-again PH systolic blood pressure low"]
    assert world.alerts[0].response == "notifying"


def test_a_high_priority_crossing_does_not_restart_a_ladder_nobody_has_answered() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0), reading(SYSTOLIC, 120, 20))
    assert world.measure(reading(SYSTOLIC, 70, 40)) == [
        "condition-back PH systolic blood pressure low"
    ]
    assert world.alerts[0].generation == 1


def test_a_new_crossing_after_closing_is_a_new_alert() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0), reading(SYSTOLIC, 120, 60))
    world.replace(respond(world.alerts[0], "close", "Practitioner/n", at(70)).alert)
    assert world.measure(reading(SYSTOLIC, 70, 80)) == ["raised PH systolic blood pressure low"]


def test_a_breach_that_goes_on_after_closing_is_a_new_alert_after_two_minutes() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0))
    world.replace(respond(world.alerts[0], "close", "Practitioner/n", at(10)).alert)
    assert world.measure(reading(SYSTOLIC, 70, 60)) == []
    assert world.measure(reading(SYSTOLIC, 70, 131)) == ["raised PH systolic blood pressure low"]


def test_defect_1_a_patients_own_thresholds_apply_whatever_code_they_were_written_with() -> None:
    by_loinc = rule(low=110, priority="PM")
    for code in (SYSTOLIC, "8480-6"):
        assert World(own=(by_loinc,)).measure(reading(code, 105, 0)) != []


def test_defect_2_a_missing_value_raises_nothing() -> None:
    world = World()
    assert world.measure(reading(PULSE, 72, 0)) == []
    assert world.window.entries == {}


def test_defect_4_an_ended_condition_stops_nothing_a_person_owes() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0), reading(SYSTOLIC, 120, 60))
    (alert,) = world.alerts
    assert (alert.condition, alert.response, alert.signal) == ("absent", "none", "latched")
    assert alert.is_open


def test_defect_6_a_flip_from_high_to_low_is_a_new_alert() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 230, 0))
    assert world.measure(reading(SYSTOLIC, 70, 60)) == [
        "raised PH systolic blood pressure low",
        "condition-ended PH systolic blood pressure high",
    ]


def test_defect_6_crossing_again_is_not_a_new_alert() -> None:
    world = World()
    for second in range(0, 600, 20):
        world.measure(reading(PULSE, 140 if second % 40 else 100, second))
    assert len(world.alerts) == 1


@pytest.mark.parametrize(
    ("code", "value", "found"),
    [
        (ARTERIAL, -320, "raised PH arterial line pressure low"),
        (TMP, 450, "raised PH transmembrane pressure high"),
        (MEAN, 45, "raised PH mean blood pressure low"),
    ],
)
def test_defect_10_circuit_and_mean_pressures_are_evaluated(
    code: str, value: int, found: str
) -> None:
    assert World().measure(reading(code, value, 0)) == [found]


def test_defect_10_the_ultrafiltration_rate_is_evaluated_and_listed_only() -> None:
    world = World()
    assert world.measure(reading(UF, 1500, 0), reading(UF, 1500, 60)) == [
        "raised PL ultrafiltration rate high"
    ]
    assert not world.alerts[0].pages


def test_the_window_of_a_patient_in_order_is_empty() -> None:
    world = World()
    world.measure(*(reading(VENOUS, 150, second) for second in range(60)))
    assert world.window.entries == {}


def test_a_value_further_out_by_more_than_the_hysteresis_is_said_to_be_worse() -> None:
    window, rules = Window(), World().rules
    values = (78, 74, 72, 60)
    found = [
        one
        for second, value in enumerate(values)
        for one in evaluate(window, rules, [reading(SYSTOLIC, value, second)])
    ]
    assert [(one.what, one.worse) for one in found] == [
        ("breached", False),
        ("still-breached", False),
        ("still-breached", True),
        ("still-breached", True),
    ]
