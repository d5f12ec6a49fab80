"""Devices against a real broker: birth, will, acknowledgement, loss of the broker, many devices."""

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from simulator.devices.identity import machine
from simulator.devices.messages import Speaker
from simulator.fleet import Fleet
from simulator.home import Home, started_before
from simulator.physiology.treatment import Treatment
from simulator.scenarios import named
from simulator.transports.buffer import StoreAndForward
from simulator.transports.connection import Credential
from simulator.transports.mqtt import CONTROL_TOPIC, Link
from tests.integration.simulator.running_broker import RunningBroker, run_until, until


class Ear:
    """The server's side: hears everything and acknowledges when told to."""

    def __init__(self, broker: RunningBroker) -> None:
        self.heard: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
        self.numbers: dict[str, set[int]] = defaultdict(set)
        self.acknowledges = True
        self._client = Client(
            CallbackAPIVersion.VERSION2, "ear", protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.username_pw_set("server", "secret")
        self._client.on_message = self._hear
        self._client.on_connect = lambda client, *_: client.subscribe("hd/v1/#", 1)
        self.listening = threading.Event()
        self._client.on_subscribe = lambda *_: self.listening.set()
        self._client.reconnect_delay_set(1, 1)
        self._client.connect(broker.address.host, broker.address.port)
        self._client.loop_start()

    def _hear(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        _, _, _, device, *rest = message.topic.split("/")
        channel = "/".join(rest)
        if channel in ("ack", ""):
            return
        self.heard[device].append((channel, bytes(message.payload)))
        if channel == "tel":
            body = json.loads(message.payload)
            self.numbers[device].add(body["seq"])
            if self.acknowledges:
                self.acknowledge(device, body["boot"])

    def acknowledge(self, device: str, boot: str) -> None:
        through = 0
        while through + 1 in self.numbers[device]:
            through += 1
        word = {"boot": boot, "kind": "tel", "through": through, "also": [], "rejected": []}
        self._client.publish(f"hd/v1/t1/{device}/ack", json.dumps(word), qos=1)

    def say(self, topic: str, body: dict[str, Any]) -> None:
        self._client.publish(topic, json.dumps(body), qos=1)

    def numbers_of(self, home: Home) -> set[int]:
        return set(self.numbers[home.machine.identity.eui64])

    def channels(self, device: str) -> list[str]:
        return [channel for channel, _ in self.heard[device]]

    def statuses(self, device: str) -> list[str]:
        return [json.loads(p)["state"] for channel, p in self.heard[device] if channel == "status"]

    def is_whole(self, home: Home) -> bool:
        """Whether everything of `home` was heard up to its highest number."""
        numbers = self.numbers_of(home)
        return numbers == set(range(1, max(numbers, default=0) + 1))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
async def ear(broker: RunningBroker) -> AsyncIterator[Ear]:
    listener = Ear(broker)
    await until(listener.listening.is_set)
    yield listener
    listener.close()


def a_fleet(broker: RunningBroker, homes: int, *, step_s: float = 0.1) -> Fleet:
    def clock() -> datetime:
        return datetime.now(UTC)

    fleet = Fleet(clock, step_s=step_s)
    for index in range(homes):
        speaker = Speaker(machine(f"home-{index}", interval_s=step_s), f"boot{index}")
        eui64 = speaker.identity.eui64
        link = Link(
            broker.address,
            Credential("device", "secret", "t1", eui64),
            speaker,
            StoreAndForward(speaker.boot, resend_after_s=2.0),
            on_control=fleet.control_payload if index == 0 else None,
        )
        treatment = Treatment(index, elapsed_min=30.0)
        home = Home(
            f"home-{index}", treatment, speaker, None, started=started_before(clock(), 30.0)
        )
        fleet.add(home, {eui64: link})
    return fleet


async def test_a_device_is_born_speaks_is_acknowledged_and_says_goodbye(
    broker: RunningBroker, ear: Ear
) -> None:
    fleet = a_fleet(broker, 1)
    device = fleet.homes[0].machine.identity.eui64
    await fleet.open()
    await run_until(fleet, lambda: fleet.links[0].buffer.acknowledged["tel"] >= 10)
    await until(lambda: len(fleet.links[0].buffer) == 0)
    assert set(ear.channels(device)) == {"status", "birth", "tel"}
    assert ear.statuses(device)[-1] == "online"
    await fleet.close()
    await until(lambda: ear.statuses(device)[-1] == "offline")


async def test_what_is_not_acknowledged_is_kept_and_sent_again(
    broker: RunningBroker, ear: Ear
) -> None:
    ear.acknowledges = False
    fleet = a_fleet(broker, 1)
    home, link = fleet.homes[0], fleet.links[0]
    await fleet.open()
    await run_until(fleet, lambda: link.buffer.resent > 0 and len(ear.numbers_of(home)) > 10)
    assert link.buffer.acknowledged["tel"] == 0
    assert len(link.buffer) >= len(ear.numbers_of(home))
    ear.acknowledges = True
    await run_until(fleet, lambda: len(link.buffer) <= 1)
    await fleet.close()


async def test_a_killed_broker_loses_no_message(broker: RunningBroker, ear: Ear) -> None:
    fleet = a_fleet(broker, 3)
    await fleet.open()
    await run_until(fleet, lambda: all(len(ear.numbers_of(home)) > 5 for home in fleet.homes))
    broker.kill()
    await run_until(fleet, lambda: not any(link.connected.is_set() for link in fleet.links))
    await run_until(fleet, lambda: all(len(link.buffer) > 5 for link in fleet.links))
    said = {home.name: max(ear.numbers_of(home)) for home in fleet.homes}
    broker.start()
    await run_until(
        fleet,
        lambda: all(
            ear.is_whole(home) and max(ear.numbers_of(home)) > said[home.name] + 30
            for home in fleet.homes
        ),
    )
    assert [link.buffer.overflowed for link in fleet.links] == [{"tel": 0, "evt": 0}] * 3
    await fleet.close()


async def test_a_cut_device_leaves_its_will_and_a_hung_one_does_not(
    broker: RunningBroker, ear: Ear
) -> None:
    fleet = a_fleet(broker, 2)
    hung, cut = fleet.homes
    await fleet.open()
    await fleet.run(0.5)
    await until(lambda: all(len(link.buffer) == 0 for link in fleet.links))
    hung.begin(named("device-silent"))
    cut.begin(named("device-silent-will"))
    await fleet.run(0.5)
    await until(lambda: ear.statuses(cut.machine.identity.eui64)[-1] == "offline")
    heard = len(ear.heard[hung.machine.identity.eui64])
    await fleet.run(0.5)
    assert len(ear.heard[hung.machine.identity.eui64]) == heard
    assert ear.statuses(hung.machine.identity.eui64)[-1] == "online"
    cut.finish()
    await fleet.run(1.0)
    await until(lambda: ear.statuses(cut.machine.identity.eui64)[-1] == "online")
    await fleet.close()


async def test_the_control_topic_starts_and_stops_a_scenario(
    broker: RunningBroker, ear: Ear
) -> None:
    fleet = a_fleet(broker, 1)
    home = fleet.homes[0]
    await fleet.open()
    await fleet.run(0.5)
    ear.say(CONTROL_TOPIC, {"do": "start", "scenario": 4, "device": home.machine.identity.dashed})
    await until(lambda: home.scenario is not None)
    ear.say(CONTROL_TOPIC, {"do": "start", "scenario": "flood", "device": "home-0"})
    ear.say(CONTROL_TOPIC, {"do": "stop", "device": "home-0"})
    await until(lambda: home.scenario is None)
    await fleet.close()


async def test_a_wrong_password_is_refused_and_tried_again_later(broker: RunningBroker) -> None:
    speaker = Speaker(machine("stranger"), "b")
    link = Link(
        broker.address,
        Credential("device", "wrong", "t1", speaker.identity.eui64),
        speaker,
        StoreAndForward("b"),
    )
    link.open()
    await asyncio.sleep(0.5)
    assert not link.connected.is_set()
    link.close()


async def test_a_device_that_may_not_hear_acknowledgements_does_not_pretend_to_be_connected(
    broker: RunningBroker,
) -> None:
    speaker = Speaker(machine("deaf"), "b")
    link = Link(
        broker.address,
        Credential("deaf", "secret", "t1", speaker.identity.eui64),
        speaker,
        StoreAndForward("b"),
    )
    link.open()
    await until(lambda: link.refused_subscriptions >= 2)
    assert not link.connected.is_set()
    assert link.published == 0
    link.close()


async def test_six_hundred_devices_in_one_process_are_all_acknowledged(
    broker: RunningBroker, ear: Ear
) -> None:
    # More than 500: with two QoS 1 subscriptions each, the broker refuses beyond a thousand.
    fleet = a_fleet(broker, 600, step_s=1.0)
    await fleet.open()
    await until(lambda: all(link.connected.is_set() for link in fleet.links))
    await run_until(
        fleet, lambda: all(link.buffer.acknowledged["tel"] >= 2 for link in fleet.links)
    )
    await fleet.close()
