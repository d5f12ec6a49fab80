"""A gateway: many devices over one connection of a real broker."""

import json
from datetime import UTC, datetime

import pytest

from simulator import fleet_run
from simulator.devices.identity import gateway, machine
from simulator.devices.messages import Speaker
from simulator.fleet import Fleet
from simulator.fleet_order import FleetOrder, Part, Share, Tally, gateways
from simulator.fleet_run import run_part
from simulator.home import Home, started_before
from simulator.physiology.treatment import Treatment
from simulator.scenarios import named
from simulator.transports.buffer import StoreAndForward
from simulator.transports.connection import Credential
from simulator.transports.gateway import Gateway
from tests.integration.simulator.running_broker import RunningBroker, run_until, until
from tests.integration.simulator.test_mqtt import Ear, ear

__all__ = ["ear"]
HUB = gateway("hub")


def a_fleet(broker: RunningBroker, homes: int) -> Fleet:
    def clock() -> datetime:
        return datetime.now(UTC)

    fleet = Fleet(clock, step_s=0.2)
    hub = Gateway(
        broker.address, Credential("device", "secret", "t1", HUB.eui64), Speaker(HUB, "boot")
    )
    for index in range(homes):
        speaker = Speaker(machine(f"home-{index}", interval_s=0.2), "boot")
        eui64 = speaker.identity.eui64
        home = Home(
            f"home-{index}",
            Treatment(index, elapsed_min=30.0),
            speaker,
            None,
            started=started_before(clock(), 30.0),
        )
        fleet.add(home, {eui64: hub.spoke(eui64, speaker, StoreAndForward("boot"))})
    return fleet


async def test_two_hundred_devices_share_one_connection_and_are_all_acknowledged(
    broker: RunningBroker, ear: Ear
) -> None:
    fleet = a_fleet(broker, 200)
    assert len(fleet.connections) == 1
    await fleet.open()
    await until(fleet.links[0].connected.is_set)
    await run_until(fleet, lambda: all(link.buffer.acknowledged["tel"] for link in fleet.links))
    await until(lambda: all(len(link.buffer) == 0 for link in fleet.links))
    for home in fleet.homes:
        address = home.machine.identity.eui64
        assert {"status", "birth", "tel"} <= set(ear.channels(address))
        assert ear.statuses(address) == ["online"]
    await fleet.close()
    last = fleet.homes[-1].machine.identity.eui64
    await until(lambda: ear.statuses(last)[-1] == "offline")
    await until(lambda: ear.statuses(HUB.eui64) == ["online", "offline"])


async def test_a_device_lost_to_its_gateway_is_said_to_be_offline_and_comes_back(
    broker: RunningBroker, ear: Ear
) -> None:
    fleet = a_fleet(broker, 2)
    await fleet.open()
    await until(fleet.links[0].connected.is_set)
    lost, kept = (home.machine.identity.eui64 for home in fleet.homes)
    fleet.homes[0].begin(named("device-silent-will"))
    await run_until(fleet, lambda: ear.statuses(lost) == ["online", "offline"])
    assert ear.statuses(kept) == ["online"]
    fleet.homes[0].finish()
    await run_until(fleet, lambda: ear.statuses(lost)[-1] == "online")
    await fleet.close()


async def test_a_gateway_that_is_cut_off_leaves_its_own_will_and_forgets_nothing(
    broker: RunningBroker, ear: Ear
) -> None:
    fleet = a_fleet(broker, 3)
    await fleet.open()
    await until(fleet.links[0].connected.is_set)
    await fleet.run(0.5)
    hub = fleet.connections[0]
    hub.cut()
    await until(lambda: ear.statuses(HUB.eui64) == ["online", "offline"])
    await run_until(fleet, lambda: all(len(link.buffer) > 0 for link in fleet.links))
    hub.open()
    await until(fleet.links[0].connected.is_set)
    await until(lambda: all(len(link.buffer) == 0 for link in fleet.links))
    assert all(ear.is_whole(home) for home in fleet.homes)
    await fleet.close()


async def test_a_part_of_a_fleet_treats_reports_and_settles(
    broker: RunningBroker, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_run, "SETTLE_S", 2.0)
    order = FleetOrder(
        devices=6,
        rate=2.0,
        seconds=4.0,
        per_gateway=3,
        start_within_s=1.0,
        scenarios=("blood-leak",),
        scenario_after_s=0.5,
        affected=2,
    )
    shares = [
        Share(homes, Credential("device", "secret", "t1", hub.eui64), {})
        for hub, homes in gateways(order)
        if hub is not None
    ]
    address = f"{broker.address.host}:{broker.address.port}"
    said: list[str] = []
    # Events are never acknowledged here, so two homes do not settle.
    assert await run_part(Part(address, order, tuple(shares)), said.append) == 1
    last = Tally(**json.loads(said[-1]))
    assert (last.devices, last.connections, last.lost) == (6, 2, 0)
    assert last.acknowledged >= 6 * 4
    spoken = [channel for address in ear.heard for channel, _ in ear.heard[address]]
    assert spoken.count("birth") == 6
    assert spoken.count("evt") >= 4
