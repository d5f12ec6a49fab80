"""People and what they do to the pressures: seeded, within their published ranges, no drift away."""

import statistics
from random import Random

import pytest

from simulator.devices.cuff_habit import CuffHabit
from simulator.physiology import constants as c
from simulator.physiology.circuit import Prescription
from simulator.physiology.person import Person, person
from simulator.physiology.treatment import Treatment
from simulator.physiology.unrest import Unrest

PEOPLE = [person(seed) for seed in range(400)]


def test_the_same_seed_is_the_same_person() -> None:
    assert person(5) == person(5)
    assert person(5) != person(6)
    assert person(5, access="graft").access == "graft"


@pytest.mark.parametrize(
    ("access", "mean", "low", "high"),
    [("fistula", 36.0, 5, 100), ("graft", 61.0, 20, 110), ("catheter", 8.5, 2, 18)],
)
def test_access_pressures_spread_as_published(
    access: str, mean: float, low: float, high: float
) -> None:
    found = [one.access_pressure for one in PEOPLE if one.access == access]
    assert len(found) > 30
    assert all(low <= one <= high for one in found)
    # Truncation moves the mean of the fistulas up: nobody has a pressure below five.
    assert statistics.mean(found) == pytest.approx(mean, abs=6)
    if access != "catheter":
        assert 15 <= statistics.stdev(found) <= 25


def test_prescriptions_fit_their_people() -> None:
    for one in PEOPLE[:60]:
        order = one.prescription
        venous = one.access_pressure + one.needle_resistance * order.blood_flow
        assert venous <= c.OPERATING_VENOUS_HIGHEST + 5
        assert -one.arterial_resistance * order.blood_flow >= c.OPERATING_ARTERIAL_LOWEST - 5
        assert order.ultrafiltration_ml_h / one.body.weight_kg <= c.REMOVAL_PER_KG_HIGH + 0.2
        assert order.removal_at(0.0) <= 1300
        assert nadir(one) >= c.FITTING_SYSTOLIC - 1


def nadir(one: Person) -> float:
    treatment = Treatment(1, body=one.body.still(), prescription=one.prescription)
    lowest = one.body.systolic
    for _ in range(240):
        treatment.circulation.remove(60.0, one.prescription.removal_at(treatment.elapsed_s))
        treatment.elapsed_s += 60.0
        lowest = min(lowest, treatment.circulation.systolic)
    return lowest


@pytest.mark.parametrize("profile", ["constant", "falling", "steps"])
def test_a_removal_profile_removes_what_was_ordered(profile: str) -> None:
    order = Prescription(ultrafiltration_ml_h=600.0, profile=profile)  # type: ignore[arg-type]
    removed = sum(order.removal_at(60.0 * minute) / 60.0 for minute in range(240))
    assert removed == pytest.approx(2400, rel=0.01)
    if profile != "constant":
        assert order.removal_at(0.0) > order.removal_at(239 * 60.0)


def unrest_of(seed: int, hours: float = 4.0) -> tuple[Unrest, list[tuple[float, float, float]]]:
    unrest = Unrest(Random(seed))
    course = []
    for _ in range(int(hours * 3600)):
        unrest.step(1.0)
        course.append((unrest.lasting, unrest.passing, unrest.arterial))
    return unrest, course


def test_drift_goes_up_and_comes_back_within_its_bounds() -> None:
    ends = []
    for seed in range(12):
        _, course = unrest_of(seed, 2.0)
        lasting = [one[0] for one in course]
        assert min(lasting) > -25
        assert max(lasting) < c.DRIFT_HIGHEST + 25
        ends.append(lasting[-1])
    assert statistics.mean(ends) > 0


def test_coughs_and_moves_pass_and_happen_as_often_as_they_should() -> None:
    happened = []
    for seed in range(6):
        unrest, course = unrest_of(seed)
        happened += [kind for _, kind in unrest.happened]
        passing = [one[1] for one in course]
        assert min(passing) >= -20
        assert 12 <= max(passing) <= c.COUGH_VENOUS_HIGH + c.MOVE_VENOUS_HIGH
        assert sum(value == 0.0 for value in passing) > len(passing) / 2
    assert happened.count("cough") / 24 == pytest.approx(c.COUGHS_PER_HOUR, rel=0.35)
    assert happened.count("move") / 24 == pytest.approx(c.MOVES_PER_HOUR, rel=0.45)
    assert 6 <= happened.count("reposition") <= 34


def test_a_moved_back_rest_moves_both_pressures_alike() -> None:
    unrest = Unrest(Random(0))
    unrest._due = {"reposition": 10.0}
    unrest._next_s = 10.0
    unrest._slope, unrest._stretch_ends_s = 0.0, 1e9
    for _ in range(60):
        unrest.step(1.0)
    assert unrest.arterial == pytest.approx(unrest.lasting)
    assert 0 < abs(unrest.arterial) <= c.REPOSITION_HIGHEST_CM * c.MMHG_PER_CM_BLOOD


def test_a_calm_patient_does_nothing_new() -> None:
    unrest = Unrest(Random(3))
    unrest.calm = True
    for _ in range(3600):
        unrest.step(1.0)
    assert unrest.happened == []
    assert unrest.flow == 0.0


def test_a_turned_flow_is_followed_within_seconds() -> None:
    treatment = Treatment(1, elapsed_min=60.0, restless=True)
    unrest = treatment.circuit.unrest
    assert unrest is not None
    unrest.calm = True
    unrest.flow = -50.0
    for _ in range(12):
        treatment.step()
    assert treatment.circuit.blood_flow == 350.0


def test_a_cough_does_not_reach_a_needle_that_is_out() -> None:
    treatment = Treatment(1, elapsed_min=60.0, restless=True)
    circuit = treatment.circuit
    assert circuit.unrest is not None
    quiet = circuit.venous_pressure
    circuit.unrest.passing = 40.0
    assert circuit.venous_pressure == pytest.approx(quiet + 40.0)
    circuit.needle_out = 1.0
    assert circuit.venous_pressure == pytest.approx(quiet)


def test_a_cuff_measures_sooner_after_a_fall_and_again_after_a_fright() -> None:
    habit = CuffHabit(1800.0, Random(1))
    assert habit.next_after(130) == 1800.0
    assert habit.next_after(118) == 1800.0
    assert 300 <= habit.next_after(109) <= 600
    assert habit.next_after(85) == 60.0
    assert 300 <= habit.next_after(84) <= 600
    assert habit.next_after(83) == 60.0
    assert CuffHabit(30.0).next_after(60) == 30.0


def test_every_constant_names_its_unit_and_its_source() -> None:
    table = {name: value for name, value in vars(c).items() if isinstance(value, c.Constant)}
    assert len(table) > 90
    assert all(value.unit and value.source for value in table.values())
