"""Whole treatments in virtual time: what the devices say, and the moments the truth counts from."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from simulator import codes
from simulator.physiology.treatment import Treatment
from simulator.scenarios import SCENARIOS, named
from simulator.virtual import START, Sent, Session, run

SHORT = 24.0
ONSET = 6.0
# Slow scenarios are told to hurry; everything else about them stays.
HURRIED: dict[str, dict[str, Any]] = {
    "slow-hypotension": {"course": 30.0},
    "venous-climb": {"rate": 60.0},
    "clotting": {"rate": 90.0},
    "power-loss": {"battery_min": 4.0},
    "flapping": {"lasts_s": 300.0},
}


def short(name: str, seed: int = 3, **more: Any) -> Session:
    parameters = HURRIED.get(name, {}) | more.pop("parameters", {})
    return run(name, seed, minutes=SHORT, at_min=ONSET, parameters=parameters, **more)


def events(said: list[Sent], phase: str = "start") -> list[dict[str, Any]]:
    found = [sent.body for sent in said if sent.channel == "evt"]
    return [body for body in found if body is not None and body["phase"] == phase]


def machine_samples(said: list[Sent]) -> list[tuple[str, dict[str, float]]]:
    found = []
    for sent in said:
        body = sent.body
        if sent.channel == "tel" and body is not None and "mode" in body:
            found.append((body["mode"], body["s"][0]["v"]))
    return found


def test_the_same_seed_is_the_same_treatment_and_another_is_not() -> None:
    first = [(one.received, one.payload) for one in short("clean", 5)]
    again = [(one.received, one.payload) for one in short("clean", 5)]
    other = [(one.received, one.payload) for one in short("clean", 6)]
    assert first == again
    assert [payload for _, payload in first] != [payload for _, payload in other]


def test_a_treatment_is_prepared_runs_is_rinsed_back_and_rests() -> None:
    session = short("clean")
    said = list(session)
    modes = [mode for mode, _ in machine_samples(said)]
    order = list(dict.fromkeys(modes))
    assert order == ["PRETX", "TX", "POSTTX", "IDL"]
    assert abs(modes.count("TX") - SHORT * 60) < 120
    assert session.moments["end"][0] > session.start + timedelta(minutes=SHORT)
    assert said[-1].channel == "status"
    assert said[-1].body is not None
    assert said[-1].body["state"] == "offline"


def test_messages_come_in_order_of_receipt_shortly_after_they_were_sent() -> None:
    said = list(short("clean", start=datetime(2027, 3, 1, tzinfo=UTC)))
    received = [one.received for one in said]
    assert received == sorted(received)
    assert received[0].date() == datetime(2027, 3, 1, tzinfo=UTC).date()
    assert all(timedelta(0) < one.received - one.sent < timedelta(seconds=1) for one in said)
    assert all(
        one.seconds == (one.received - datetime(2027, 3, 1, tzinfo=UTC)).total_seconds()
        for one in said
    )
    assert said[5].address == f"hd/v1/home/{said[5].eui64}/{said[5].channel}"


def test_a_clean_treatment_says_nothing_but_that_its_goal_is_met() -> None:
    said = list(short("clean"))
    assert [(one["event"], one["priority"]) for one in events(said)] == [("198278", "PI")]


@pytest.mark.parametrize("seed", range(3))
def test_clean_treatments_stay_within_every_default_limit(seed: int) -> None:
    said = list(run("clean", f"limits/{seed}", minutes=60.0))
    assert len(events(said)) == 1
    for mode, values in machine_samples(said):
        if mode != "TX":
            continue
        assert 20 <= values[codes.VENOUS_PRESSURE] <= 400
        assert -300 <= values[codes.ARTERIAL_PRESSURE] <= 20
        assert -20 <= values[codes.TRANSMEMBRANE_PRESSURE] <= 300
        assert values["159036"] <= 1300
    for sent in said:
        body = sent.body
        if sent.channel == "tel" and body is not None and "mode" not in body:
            assert 90 <= body["s"][0]["v"][codes.SYSTOLIC] <= 180


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_moment_the_truth_counts_from_comes_and_every_owed_event_is_said(name: str) -> None:
    session = short(name)
    said = list(session)
    spoken = {body["event"] for body in events(said)}
    assert session.moments["start"][0] == START + timedelta(minutes=2 + ONSET)
    for alert in session.truth.alerts:
        assert session.moments[alert.since], alert
    assert set(session.truth.machine_events) <= spoken


def at(session: Session, moment: str) -> float:
    return (session.moments[moment][0] - session.moments["start"][0]).total_seconds()


@pytest.mark.parametrize("seed", range(3))
def test_a_needle_out_of_a_graft_is_found_by_the_machine_which_stops(seed: int) -> None:
    session = short("needle-slip-graft", seed)
    said = list(session)
    assert [one["event"] for one in events(said)[:3]] == ["196670", "198260", "198242"]
    assert 5 <= at(session, "event:198260") <= 11
    assert session.person.access == "graft"


@pytest.mark.parametrize("seed", range(3))
def test_a_needle_out_of_a_fistula_shows_only_as_a_step_of_the_venous_pressure(seed: int) -> None:
    session = short("needle-slip-fistula", seed, parameters={"venous_drop": 20.0, "lasts_s": 60.0})
    start = (2 + ONSET) * 60
    before, after = [], []
    for sent in session:
        body = sent.body
        if sent.channel == "tel" and body is not None and "mode" in body:
            value = body["s"][0]["v"][codes.VENOUS_PRESSURE]
            if start - 10 <= sent.seconds < start:
                before.append(value)
            elif start + 5 <= sent.seconds < start + 15:
                after.append(value)
    # A cough or a moved arm may be part of what is lost.
    assert sum(before) / len(before) - sum(after) / len(after) > 10
    assert "event:198260" not in session.moments


def test_a_small_drop_is_not_owed_but_may_be_suspected() -> None:
    small = named("needle-slip-fistula", venous_drop=10.0).truth
    assert small.alerts == ()
    assert codes.SUSPECTED_DISLODGEMENT in small.allowed
    owed = named("needle-slip-fistula", venous_drop=15.0).truth.alerts
    assert [(one.code, one.priority) for one in owed] == [(codes.SUSPECTED_DISLODGEMENT, "PH")]


def test_a_slipped_needle_bleeds_as_fast_as_the_pump_runs() -> None:
    treatment = Treatment(1, elapsed_min=60.0)
    before = treatment.circulation.systolic
    treatment.bleeding = 1.0
    for _ in range(150):
        treatment.step()
    assert treatment.lost_ml == pytest.approx(1000, abs=1)
    assert treatment.circulation.systolic < before - 20


def test_slow_hypotension_is_read_again_after_a_minute() -> None:
    session = short("slow-hypotension")
    low = [
        sent.sent
        for sent in session
        if sent.channel == "tel"
        and (body := sent.body) is not None
        and body["s"][0]["v"].get(codes.SYSTOLIC, 999) < 90
    ]
    assert session.moments["limit"][0] == low[0]
    assert timedelta(seconds=50) <= low[1] - low[0] <= timedelta(seconds=70)


def test_sudden_hypotension_falls_beyond_the_floor_and_comes_back() -> None:
    session = short("sudden-hypotension")
    list(session)
    assert session.moments["floor"][0] - session.moments["start"][0] <= timedelta(seconds=250)


def test_silence_stops_telemetry_with_and_without_a_last_will() -> None:
    for name, will in (("device-silent", False), ("device-silent-will", True)):
        session = short(name)
        said = list(session)
        from_s = at(session, "silence") + (2 + ONSET) * 60
        machine = session.devices[0].eui64
        heard = [
            sent
            for sent in said
            if sent.eui64 == machine and from_s + 0.5 < sent.seconds < from_s + 175
        ]
        assert [sent.channel for sent in heard] == (["status"] if will else [])
        numbers = [
            body["seq"]
            for sent in said
            if sent.eui64 == machine and sent.channel == "tel" and (body := sent.body) is not None
        ]
        assert numbers == list(range(1, len(numbers) + 1))


def test_an_idle_machine_may_fall_silent() -> None:
    session = short("device-silent-idle")
    modes = [mode for mode, _ in machine_samples(list(session))]
    assert modes[-1] == "IDL"
    assert session.truth.alerts == ()


@pytest.mark.parametrize(
    ("how", "off_s"), [("ahead", 90.0), ("back", -3600.0), ("1970", -1_785_000_000.0)]
)
def test_a_wrong_clock_changes_what_the_device_writes_and_nothing_else(
    how: str, off_s: float
) -> None:
    session = short(f"clock-{how}")
    wrong = []
    for sent in session:
        body = sent.body
        if body is not None and "mono_ms" in body and sent.channel == "tel":
            said_at = datetime.fromisoformat(body["dev_time"])
            if abs((said_at - sent.sent).total_seconds()) > 1:
                wrong.append((said_at - sent.sent).total_seconds())
            assert body["mono_ms"] == round((sent.sent - session.start).total_seconds() * 1000)
    assert 295 <= len(wrong) <= 305
    assert wrong[0] == pytest.approx(off_s, rel=0.01)


def test_a_lost_link_gives_everything_back_at_once_and_in_order() -> None:
    session = short("replay", parameters={"repeat": 0.0, "reorder": 0.0})
    said = [sent for sent in session if sent.message.seq is not None]
    late = [sent for sent in said if sent.received - sent.sent > timedelta(seconds=1)]
    assert 29 <= len(late) <= 34
    assert len({sent.received for sent in late}) <= 2
    evt = [body["phase"] for sent in late if sent.channel == "evt" and (body := sent.body)]
    assert evt == ["start", "end"]


def test_repeats_carry_the_same_numbers() -> None:
    session = short("replay")
    said = [
        (sent.eui64, sent.channel, sent.message.seq, sent.payload)
        for sent in session
        if sent.message.seq is not None
    ]
    assert len(said) > len(set(said)) * 1.03
    numbered = {one[:3] for one in said}
    assert len(numbered) == len(set(said))


def test_power_fails_then_the_battery_then_the_voice() -> None:
    session = short("power-loss")
    list(session)
    order = ["start", "event:power-lost", "event:196802", "silence"]
    moments = [session.moments[name][0] for name in order]
    assert moments == sorted(moments)
    assert at(session, "event:196802") == pytest.approx(60, abs=2)
    assert at(session, "silence") == pytest.approx(240, abs=2)


def test_nonsense_has_no_body_or_a_wrong_one() -> None:
    session = short("bad-data")
    unreadable = [sent for sent in session if sent.body is None]
    assert sorted(sent.message.seq is None for sent in unreadable) == [False, True]


def test_flapping_goes_to_and_fro_and_the_machine_stays_silent() -> None:
    session = short("flapping")
    said = list(session)
    start = int(2 + ONSET) * 60
    around = [
        values[codes.VENOUS_PRESSURE] > 350
        for mode, values in machine_samples(said)[start : start + 300]
    ]
    changes = sum(a != b for a, b in pairwise(around))
    assert changes >= 6
    assert events(said) == []


def test_kills_are_marked() -> None:
    session = short("server-killed", parameters={"kills": (1.0, 20.0)})
    list(session)
    seconds = [
        (moment - session.moments["start"][0]).total_seconds() for moment in session.moments["kill"]
    ]
    assert seconds == [1.0, 20.0]


def test_a_machine_that_goes_to_another_patient_is_nobodys_in_between() -> None:
    session = short("mix-up")
    list(session)
    machine, cuff = (device.eui64 for device in session.devices)
    onset = session.moments["unbound"][0]
    mine = {binding.patient: binding for binding in session.bindings if binding.eui64 == machine}
    assert mine["a"].until == onset
    assert mine["b"].since == onset + timedelta(seconds=60)
    assert [one.patient for one in session.bindings if one.eui64 == cuff] == ["a"]
    air = session.moments["event:198262"][0]
    assert onset < air < mine["b"].since
    assert session.moments["event:198244"][0] > mine["b"].since


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(TypeError):
        run("clean", 1, parameters={"venous_drop": 3.0})


def test_without_a_drop_the_whole_access_pressure_is_lost() -> None:
    session = short("needle-slip-fistula", 5, parameters={"venous_drop": None})
    owed = session.person.access_pressure >= 15
    assert bool(session.truth.alerts) is owed
    assert getattr(session.scenario, "venous_drop", None) == session.person.access_pressure
