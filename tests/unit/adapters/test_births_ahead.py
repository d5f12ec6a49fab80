"""An alarm brings along the birth its own consumer has not come to yet, asked for once a boot."""

import base64
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeout

from adapters.mqtt.births_ahead import BirthsAhead
from adapters.mqtt.consumer import Published

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
ROOT = "$MQTT.msgs.hd.v1.home"


class Broker:
    """Answers what is asked of the stream ``devices``."""

    def __init__(self, *, away: bool = False) -> None:
        self.stored: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.away = away

    async def request(self, subject: str, payload: bytes, *, timeout: float) -> Any:  # noqa: ASYNC109 - that of nats-py
        assert subject == "$JS.API.STREAM.MSG.GET.devices"
        assert timeout > 0
        wanted = json.loads(payload)["last_by_subj"]
        self.asked.append(wanted)
        if self.away:
            raise NatsTimeout
        answer: dict[str, Any] = {"error": {"code": 404, "description": "no message found"}}
        if wanted in self.stored:
            data = base64.b64encode(self.stored[wanted]).decode()
            time = "2026-08-01T08:59:58.123456789Z"
            answer = {"message": {"subject": wanted, "seq": 7, "data": data, "time": time}}
        return SimpleNamespace(data=json.dumps(answer).encode())


def alarm(device: str, boot: str) -> Published:
    return Published(f"{ROOT}.{device}.evt", json.dumps({"boot": boot}).encode(), NOW)


def looking(broker: Broker) -> BirthsAhead:
    return BirthsAhead(cast("Client", broker), "devices")


async def test_a_birth_that_waits_comes_along_with_the_time_it_was_told() -> None:
    broker = Broker()
    broker.stored[f"{ROOT}.D1.birth"] = b"born"
    found = await looking(broker).before([alarm("D1", "b1"), alarm("D2", "b1")])
    assert found == [
        Published(f"{ROOT}.D1.birth", b"born", datetime(2026, 8, 1, 8, 59, 58, 123456, tzinfo=UTC))
    ]


async def test_each_boot_of_a_device_is_asked_for_once() -> None:
    broker = Broker()
    births = looking(broker)
    await births.before([alarm("D1", "b1"), alarm("D1", "b1")])
    await births.before([alarm("D1", "b1")])
    assert broker.asked == [f"{ROOT}.D1.birth"]
    await births.before([alarm("D1", "b2")])
    assert broker.asked == [f"{ROOT}.D1.birth"] * 2


async def test_nothing_is_asked_for_what_is_no_alarm() -> None:
    broker = Broker()
    said = [Published(f"{ROOT}.D1.{leaf}", b"{}", NOW) for leaf in ("status", "tel", "birth")]
    assert await looking(broker).before(said) == []
    assert broker.asked == []


async def test_an_alarm_that_cannot_be_read_is_no_reason_to_fail() -> None:
    broker = Broker()
    said = [Published(f"{ROOT}.D1.evt", raw, NOW) for raw in (b"not json", b"[1]", b'{"boot": 5}')]
    assert await looking(broker).before(said) == []


async def test_a_broker_that_is_away_holds_no_alarm_up_and_is_asked_again() -> None:
    broker = Broker(away=True)
    births = looking(broker)
    assert await births.before([alarm("D1", "b1")]) == []
    broker.away = False
    broker.stored[f"{ROOT}.D1.birth"] = b"born"
    assert [one.payload for one in await births.before([alarm("D1", "b1")])] == [b"born"]
