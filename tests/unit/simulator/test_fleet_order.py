"""An order for many machines: names, gateways, parts of processes, tallies."""

import json

import pytest

from simulator.enrolment import home_resources
from simulator.fleet import left_out
from simulator.fleet_order import FleetOrder, Part, Share, Tally, dealt, gateways
from simulator.transports.connection import Credential


def test_ten_thousand_machines_share_a_hundred_connections() -> None:
    order = FleetOrder(devices=10_000, per_gateway=100, processes=3)
    groups = gateways(order)
    assert len(groups) == 100
    hubs = {hub.eui64 for hub, _ in groups if hub is not None}
    assert len(hubs) == 100
    names = [name for _, homes in groups for _, name in homes]
    assert len(set(names)) == 10_000
    shares = [Share(homes, Credential("u", "p", "t", "d"), {}) for _, homes in groups]
    parts = dealt("127.0.0.1:1883", order, shares)
    assert [len(part.shares) for part in parts] == [34, 33, 33]
    machines = {order.hardware(name)[0].eui64 for name in names}
    assert len(machines) == 10_000


def test_without_gateways_each_home_is_alone() -> None:
    groups = gateways(FleetOrder(devices=3))
    assert [(hub, len(homes)) for hub, homes in groups] == [(None, 1)] * 3


def test_more_processes_than_connections_do_no_harm() -> None:
    order = FleetOrder(devices=1, processes=4)
    assert len(dealt("b:1", order, [Share(((0, "home00000"),), None, {})])) == 1


def test_a_part_survives_being_written() -> None:
    order = FleetOrder(devices=2, scenarios=("clean", "bad-data"), cuff_every_s=30.0)
    own = {"E": Credential("u", "p", "t", "d")}
    part = Part("b:1", order, (Share(((0, "a"), (1, "b")), None, own),))
    assert Part.read(json.loads(json.dumps(part.written()))) == part


def test_scenarios_are_taken_in_turn_by_the_affected() -> None:
    order = FleetOrder(devices=5, scenarios=("clean", "wetness"), affected=3)
    happens = [order.scenario_of(index) for index in range(5)]
    assert happens == ["clean", "wetness", "clean", None, None]


def test_tallies_add_up() -> None:
    total = Tally(devices=2, acknowledged=5) + Tally(devices=1, connected=1, waiting=3)
    assert total == Tally(devices=3, acknowledged=5, connected=1, waiting=3)
    assert total.line.startswith("1/3 devices on 0 connections, 5 acknowledged")


@pytest.mark.parametrize("cuff", [0.0, 30.0])
def test_a_home_is_a_patient_its_devices_and_their_bindings(cuff: float) -> None:
    order = FleetOrder(devices=1, cuff_every_s=cuff)
    made = home_resources("home00000", order.hardware("home00000"))
    kinds = [one["resourceType"] for one in made]
    expected = ["Patient", "Device", "DeviceUseStatement"]
    assert kinds == expected + (["Device", "DeviceUseStatement"] if cuff else [])
    patient = made[0]["id"]
    assert all(
        one["subject"]["reference"] == f"Patient/{patient}"
        for one in made
        if one["resourceType"] == "DeviceUseStatement"
    )
    assert all(one["meta"]["security"][0]["code"] == "HTEST" for one in made)


@pytest.mark.parametrize(
    ("late_s", "skipped"), [(0.0, 0), (0.9, 0), (10.9, 0), (11.0, 11), (3600.5, 3600)]
)
def test_a_home_catches_up_what_is_little_and_leaves_out_what_is_much(
    late_s: float, skipped: int
) -> None:
    assert left_out(late_s, 1.0) == skipped
    assert left_out(late_s / 2, 0.5) == skipped
