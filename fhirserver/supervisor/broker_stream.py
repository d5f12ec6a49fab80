"""The stream in which the broker keeps what devices publish with QoS 1 or 2.

nats-server would make it by itself when the first device connects, without a bound and only then.
Made by us first, it refuses when full instead of dropping: the broker then closes the connection
without PUBACK and the device keeps its message. It keeps what at least one durable consumer is owed
(interest retention), so the consumers must exist before a device is let in.
https://docs.nats.io/running-a-nats-service/configuration/mqtt
"""

from typing import Final

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

DEVICE_STREAM: Final = "$MQTT_msgs"
DEVICE_PREFIX: Final = "$MQTT.msgs."
DEVICE_SUBJECTS: Final = DEVICE_PREFIX + ">"
LARGEST_BACKLOG: Final = 4 * 1024 * 1024 * 1024


def device_subject(leaf: str) -> str:
    """Return the stream subject of every device's ``hd/v1/{tenant}/{device}/{leaf}``."""
    return f"{DEVICE_PREFIX}hd.v1.*.*.{leaf}"


async def ensure_device_stream(
    streams: JetStreamContext, *, largest_backlog: int = LARGEST_BACKLOG
) -> None:
    """Create the stream, or bring an existing one to our bound (bytes)."""
    wanted = StreamConfig(
        name=DEVICE_STREAM,
        subjects=[DEVICE_SUBJECTS],
        retention=RetentionPolicy.INTEREST,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=largest_backlog,
    )
    try:
        present = (await streams.stream_info(DEVICE_STREAM)).config
    except NotFoundError:
        await streams.add_stream(wanted)
        return
    if (present.discard, present.max_bytes) != (wanted.discard, wanted.max_bytes):
        present.discard, present.max_bytes = wanted.discard, wanted.max_bytes
        await streams.update_stream(present)
