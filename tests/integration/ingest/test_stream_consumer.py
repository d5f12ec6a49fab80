"""What the broker hands over, and when it hands it over again."""

import asyncio
import json

import nats
from nats.js.errors import NotFoundError

from adapters.mqtt.births_ahead import BirthsAhead
from adapters.mqtt.consumer import StreamConsumer
from fhirserver.supervisor.broker import Broker
from fhirserver.supervisor.broker_stream import (
    DEVICE_PREFIX,
    DEVICE_STREAM,
    device_subject,
    ensure_device_stream,
)

ACK_WAIT = 1.0


async def test_what_takes_longer_than_the_broker_waits_is_not_handed_over_twice(
    fresh_broker: Broker,
) -> None:
    client = await nats.connect(fresh_broker.url)
    streams = client.jetstream()
    await ensure_device_stream(streams)
    reader = StreamConsumer(client, DEVICE_STREAM, "slow", [device_subject("tel")], ACK_WAIT)
    await reader.create(streams, 100)
    await reader.start()
    for number in range(3):
        await streams.publish(f"{DEVICE_PREFIX}hd.v1.home.D1.tel", str(number).encode())
    keeping = asyncio.ensure_future(reader.keep())
    taken = await reader.fetch(1, 5)
    await asyncio.sleep(3 * ACK_WAIT)
    # The others wait in front of us as long as the first one takes.
    while len(taken) < 3:
        taken += await reader.fetch(2, 5)
    assert [one.payload for one in taken] == [b"0", b"1", b"2"]
    await reader.acknowledge(taken[-1])
    assert await reader.fetch(5, 2 * ACK_WAIT) == []
    info = await streams.consumer_info(DEVICE_STREAM, "slow")
    assert (info.num_redelivered, info.num_ack_pending) == (0, 0)

    keeping.cancel()
    await streams.publish(f"{DEVICE_PREFIX}hd.v1.home.D1.tel", b"3")
    (late,) = await reader.fetch(1, 5)
    (again,) = await reader.fetch(1, 10 * ACK_WAIT)
    assert (late.payload, again.payload) == (b"3", b"3")
    await client.close()


async def test_a_birth_stays_in_the_stream_until_its_own_consumer_has_it(
    fresh_broker: Broker,
) -> None:
    client = await nats.connect(fresh_broker.url)
    streams = client.jetstream()
    await ensure_device_stream(streams)
    reader = StreamConsumer(client, DEVICE_STREAM, "births", [device_subject("birth")], ACK_WAIT)
    await reader.create(streams, 100)
    await reader.start()
    alarms = StreamConsumer(client, DEVICE_STREAM, "alarms", [device_subject("evt")], ACK_WAIT)
    await alarms.create(streams, 100)
    await alarms.start()
    home = f"{DEVICE_PREFIX}hd.v1.home.D1"
    await streams.publish(f"{home}.birth", b"born")
    await streams.publish(f"{home}.evt", json.dumps({"boot": "b1"}).encode())
    told = await alarms.fetch(1, 5)
    (ahead,) = await BirthsAhead(client, DEVICE_STREAM).before(told)
    (born,) = await reader.fetch(1, 5)
    assert (ahead.subject, ahead.payload) == (born.subject, born.payload)
    assert abs((ahead.received - born.received).total_seconds()) < 0.001
    await reader.acknowledge(born)
    assert await BirthsAhead(client, DEVICE_STREAM).before(told) == []
    with_none = await streams.stream_info(DEVICE_STREAM)
    assert with_none.state.messages == 1
    try:
        await streams.get_last_msg(DEVICE_STREAM, f"{home}.birth")
    except NotFoundError:
        await client.close()
    else:
        raise AssertionError("the birth is still there")
