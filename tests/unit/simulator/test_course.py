"""The course of a treatment: each stretch in its time, and an end."""

from datetime import UTC, datetime, timedelta

import pytest

from simulator.course import Course
from simulator.devices.identity import machine
from simulator.devices.messages import Speaker
from simulator.home import Home
from simulator.physiology.circuit import Prescription
from simulator.physiology.treatment import Treatment

START = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)


def stretches(home: Home, minutes: float, *, stop_at: int | None = None) -> dict[str, int]:
    course = Course(home, minutes)
    lasted: dict[str, int] = {}
    second = 0
    while not course.over:
        second += 1
        assert second < 20_000
        home.tick(1.0, START + timedelta(seconds=second))
        if second == stop_at:
            course.end_treatment()
        course.step(1.0)
        lasted[home.mode] = lasted.get(home.mode, 0) + 1
    return lasted


def a_home(minutes: float, *, mode: str = "PRETX", elapsed_min: float = 0.0) -> Home:
    treatment = Treatment(3, prescription=Prescription(minutes=minutes), elapsed_min=elapsed_min)
    return Home("h", treatment, Speaker(machine("h"), "b"), None, started=START, mode=mode)


def test_a_treatment_is_prepared_done_given_back_and_rested() -> None:
    lasted = stretches(a_home(10.0), 10.0)
    assert list(lasted) == ["PRETX", "TX", "POSTTX", "IDL"]
    # The pump needs a little more than a minute from standing to treating.
    assert 180 <= lasted["PRETX"] <= 200
    assert lasted["TX"] == pytest.approx(600, abs=2)
    assert lasted["POSTTX"] == pytest.approx(240, abs=2)
    assert lasted["IDL"] == pytest.approx(120, abs=2)


def test_one_that_runs_already_goes_on_to_its_end() -> None:
    lasted = stretches(a_home(30.0, mode="TX", elapsed_min=25.0), 30.0)
    assert list(lasted) == ["TX", "POSTTX", "IDL"]
    assert lasted["TX"] == pytest.approx(300, abs=2)


def test_one_that_is_ended_is_given_back_at_once() -> None:
    lasted = stretches(a_home(60.0), 60.0, stop_at=400)
    assert sum(lasted[mode] for mode in ("PRETX", "TX")) == pytest.approx(400, abs=2)


def test_a_pump_that_stands_makes_it_longer_and_not_endless() -> None:
    home = a_home(10.0, mode="TX", elapsed_min=5.0)
    home.treatment.circuit.pump_on = False
    lasted = stretches(home, 10.0)
    assert lasted["TX"] == pytest.approx(25 * 60, abs=2)
