"""Homes: seeded physiology, the machine's messages and each scenario's story."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from simulator import codes
from simulator.devices.identity import cuff, eui64_for, machine
from simulator.devices.messages import Speaker
from simulator.home import CutLink, Home, RestoreLink, Send, started_before
from simulator.physiology.circuit import Prescription
from simulator.physiology.circulation import Body
from simulator.physiology.treatment import Treatment
from simulator.scenarios import NUMBERS, SCENARIOS, named
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.slow_hypotension import SlowHypotension

NOW = datetime(2026, 8, 1, 9, 30, tzinfo=UTC)


def a_home(
    *,
    seed: int = 7,
    elapsed_min: float = 90.0,
    body: Body | None = None,
    access_pressure: float = 40.0,
    prescription: Prescription | None = None,
) -> Home:
    return Home(
        "home",
        Treatment(
            seed,
            body=body,
            prescription=prescription,
            elapsed_min=elapsed_min,
            access_pressure=access_pressure,
        ),
        Speaker(machine("home"), "b1"),
        Speaker(cuff("home", interval_s=30.0), "b1"),
        started=started_before(NOW, elapsed_min),
        mono_ms=int(elapsed_min * 60_000),
    )


def run(home: Home, seconds: int) -> list[tuple[int, Any]]:
    said: list[tuple[int, Any]] = []
    for second in range(1, seconds + 1):
        commands = home.tick(1.0, NOW + timedelta(seconds=second))
        said += [(second, command) for command in commands]
    return said


def bodies(said: list[tuple[int, Any]], channel: str) -> list[dict[str, Any]]:
    return [
        json.loads(command.message.payload)
        for _, command in said
        if isinstance(command, Send) and command.message.channel == channel
    ]


def test_the_same_seed_gives_the_same_messages() -> None:
    first, second = run(a_home(), 120), run(a_home(), 120)
    assert first == second
    assert first != run(a_home(seed=8), 120)


def test_telemetry_is_numbered_timed_and_complete() -> None:
    home = a_home()
    said = run(home, 60)
    telemetry = [b for b in bodies(said, "tel") if b["dev"] == home.machine.identity.eui64]
    assert [body["seq"] for body in telemetry] == list(range(1, 61))
    first = telemetry[0]
    assert first["schema"] == "hd.tel/1"
    assert first["dev_time"] == "2026-08-01T09:30:01.000Z"
    assert first["mono_ms"] == 90 * 60_000 + 1000
    assert first["mode"] == "TX"
    assert first["session"] == f"{home.machine.identity.eui64}20260801080000"
    assert len(first["s"][0]["v"]) == 12
    birth = json.loads(home.birth(home.machine.identity.eui64, NOW).payload)
    assert set(first["s"][0]["v"]) == set(birth["metrics"])
    assert birth["sim"] is True


def test_a_cuff_says_a_whole_blood_pressure_and_no_mode() -> None:
    home = a_home()
    said = bodies(run(home, 61), "tel")
    assert home.cuff is not None
    readings = [b for b in said if b["dev"] == home.cuff.identity.eui64]
    assert [body["seq"] for body in readings] == [1, 2, 3]
    assert set(readings[0]["s"][0]["v"]) == {"150021", "150022", "150023", "149546"}
    assert "mode" not in readings[0]


@pytest.mark.parametrize("seed", range(5))
def test_a_clean_treatment_stays_within_every_limit_of_the_machine(seed: int) -> None:
    home = a_home(seed=seed, elapsed_min=60.0)
    said = run(home, 1200)
    assert bodies(said, "evt") == []
    for body in bodies(said, "tel"):
        values = body["s"][0]["v"]
        for code, limits in home.limits.items():
            if code in values:
                assert limits["low"] <= values[code] <= limits["high"]
        if "150021" in values:
            assert values["150021"] >= 100


def test_accounts_of_volume_and_time_agree_with_the_prescription() -> None:
    treatment = Treatment(1, elapsed_min=60.0)
    for _ in range(3600):
        treatment.step()
    readings = treatment.readings()
    assert readings["159032"] == pytest.approx(1200, abs=1)
    assert readings["158720"] == 120
    assert readings["158724"] == 120
    assert readings["158772"] == pytest.approx(48.0, abs=0.1)


def test_a_treatment_from_its_start_ramps_the_blood_flow_up_in_three_minutes() -> None:
    treatment = Treatment(1)
    flows = []
    for _ in range(200):
        treatment.step()
        flows.append(treatment.readings()["158740"])
    assert flows[0] < 10
    assert 195 <= flows[89] <= 205
    assert flows[185] == 400


def test_removal_stops_at_the_end_of_the_treatment() -> None:
    treatment = Treatment(1, elapsed_min=239.5)
    for _ in range(120):
        treatment.step()
    readings = treatment.readings()
    assert readings["159036"] == 0
    assert readings["158724"] == 0
    assert readings["159032"] == pytest.approx(2400, abs=1)


@pytest.mark.parametrize("seed", range(20))
def test_a_slipped_needle_is_found_and_the_pump_stopped_within_ten_seconds(seed: int) -> None:
    home = a_home(seed=seed, access_pressure=60.0, prescription=Prescription(blood_flow=340.0))
    run(home, 5)
    scenario = named(4)
    home.begin(scenario)
    said = run(home, 40)
    starts = [b for b in bodies(said, "evt") if b["phase"] == "start"]
    assert tuple(body["event"] for body in starts) == scenario.truth.machine_events
    assert all(body["priority"] == "PH" and body["state"] == "active" for body in starts)
    low = starts[0]
    assert low["source"] == "158776"
    assert low["value"] < low["limits"]["low"]
    assert low["unit"] == "mm[Hg]"
    moments = [
        at
        for at, command in said
        if isinstance(command, Send)
        and command.message.channel == "evt"
        and json.loads(command.message.payload)["phase"] == "start"
    ]
    assert 5 <= max(moments) <= 10
    assert bodies(said, "tel")[-1]["s"][0]["v"]["158740"] == 0
    continued = Counter(b["event"] for b in bodies(said, "evt") if b["phase"] == "continue")
    assert set(continued) == set(scenario.truth.machine_events)
    home.finish()
    closing = bodies(run(home, 1), "evt")
    assert [body["phase"] for body in closing] == ["end"] * 3
    assert {body["alarm_id"] for body in closing} == {body["alarm_id"] for body in starts}


@pytest.mark.parametrize("seed", range(20))
def test_slow_hypotension_falls_below_her_own_limit_but_never_below_the_default(seed: int) -> None:
    home = a_home(seed=seed, body=Body(systolic=112.0, pressure_noise=0.8, systolic_floor=94.0))
    before = [home.treatment.blood_pressure().systolic for _ in run(home, 30)]
    assert min(before) >= 105
    home.begin(SlowHypotension(removal_ml_h_kg=None, refill_factor=0.0, course=120.0))
    course = []
    for _ in range(90):
        run(home, 1)
        course.append(home.treatment.blood_pressure().systolic)
    below = [second for second, systolic in enumerate(course) if systolic < 100]
    assert below
    assert 10 <= below[0] <= 60
    assert min(course) >= 93
    assert max(abs(b - a) for a, b in pairwise(course)) <= 4


def test_a_hung_device_says_nothing_and_keeps_its_connection() -> None:
    home = a_home()
    run(home, 3)
    home.begin(named("device-silent"))
    said = run(home, 90)
    assert all(c.eui64 != home.machine.identity.eui64 for _, c in said)
    home.finish()
    telemetry = [b for b in bodies(run(home, 1), "tel") if b["s"][0]["v"].get("158776")]
    assert telemetry[0]["seq"] == 4


def test_a_device_with_a_will_is_cut_off_and_comes_back() -> None:
    home = a_home()
    home.begin(named("device-silent-will"))
    assert [c for _, c in run(home, 2) if isinstance(c, CutLink)]
    home.finish()
    assert [c for _, c in run(home, 1) if isinstance(c, RestoreLink)]


def test_nonsense_is_sent_once_each_and_keeps_the_numbering() -> None:
    home = a_home()
    home.begin(named(15))
    said = run(home, 15)
    payloads = [c.message.payload for _, c in said if isinstance(c, Send)]
    broken: list[bytes] = []
    for payload in payloads:
        try:
            json.loads(payload)
        except ValueError:
            broken.append(payload)
    assert len(broken) == 1
    texts = [payload.decode() for payload in payloads]
    assert sum(":NaN" in text for text in texts) == 1
    assert sum('"158776":null' in text for text in texts) == 1
    assert sum('"999999"' in text for text in texts) == 1
    assert sum('"u":{"158776":"kPa"}' in text for text in texts) == 1
    numbers = [
        c.message.seq
        for _, c in said
        if isinstance(c, Send)
        and c.eui64 == home.machine.identity.eui64
        and c.message.seq is not None
    ]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_second_scenario_ends_the_first() -> None:
    home = a_home()
    home.begin(named("device-silent"))
    home.begin(named("clean"))
    assert not home.silent
    assert home.scenario is not None
    assert home.scenario.name == "clean"


def test_a_machine_may_be_told_when_to_speak_first() -> None:
    home = a_home(seed=1)
    home.speak_in(7.0)
    said = [[body for body in bodies(run(home, n), "tel") if "mode" in body] for n in (6, 1)]
    assert [len(some) for some in said] == [0, 1]


def test_a_needle_that_slips_while_the_flow_is_turned_is_the_servers_to_find() -> None:
    home = a_home(seed=1, access_pressure=60.0, prescription=Prescription(blood_flow=340.0))
    run(home, 5)
    home.treatment.circuit.flow_ordered = 290.0
    run(home, 1)
    scenario = named(4)
    home.begin(scenario)
    said = run(home, 60)
    assert bodies(said, "evt") == [], "its windows are suspended and then centred on what is left"
    assert [one.code for one in scenario.truth.alerts] == [codes.SUSPECTED_DISLODGEMENT]
    home.finish()
    run(home, 60)
    home.begin(scenario)
    run(home, 40)
    assert {one.code for one in scenario.truth.alerts} == {codes.EVENT_VENOUS_ACCESS}


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_carries_its_truth_and_answers_to_its_name(name: str) -> None:
    scenario: Scenario = named(name)
    assert scenario.name == name
    assert scenario.title
    assert named(scenario.number).number == scenario.number
    for alert in scenario.truth.alerts:
        assert alert.earliest_s < alert.within_s
        assert alert.priority in {"PH", "PM", "PL"}


def test_every_number_of_the_list_has_a_scenario() -> None:
    assert sorted(NUMBERS) == list(range(20))


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(KeyError):
        named("flood")


def test_device_names_give_stable_distinct_locally_administered_eui64() -> None:
    names = [eui64_for(f"machine/home-{n}") for n in range(1000)]
    assert len(set(names)) == 1000
    assert eui64_for("machine/a") == eui64_for("machine/a")
    assert all(int(name[:2], 16) & 0x03 == 0x02 for name in names)
    assert machine("a").dashed.count("-") == 7


def test_a_watched_reading_is_noted_once_or_when_it_comes_again() -> None:
    home = a_home()
    home.watch("150021", low=90, mark="limit")
    home.watch("150021", low=90, mark="confirmed", recovered=95)
    noted: list[list[str]] = []
    for systolic in (100, 88, 96, 89, 93, 87, 80):
        before = len(home.marks)
        home._look({"150021": systolic})
        noted.append([name for name, _ in home.marks[before:]])
    assert noted == [[], ["limit"], [], [], [], ["confirmed"], []]
    assert home.since("limit") == 0.0
    assert home.since("never") is None


def test_uptime_goes_on_while_nobody_moves_the_home() -> None:
    home = a_home()
    born = json.loads(home.birth(home.machine.identity.eui64, NOW).payload)
    waited = NOW + timedelta(seconds=400)
    said = [(1, command) for _ in range(30) for command in home.tick(1.0, waited)]
    first = bodies(said, "tel")[0]
    assert first["mono_ms"] - born["mono_ms"] == 400_000
