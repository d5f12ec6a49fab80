"""One message over MQTT, as a device says it: a connection, a login, and the broker's acknowledgement.

For the server's own devices, so that the door of real ones is tried with each of their messages.
Spec: http://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html
"""

import asyncio
import ssl
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from fhirserver.kernel.errors import Unavailable
from fhirserver.kernel.ports import DeviceCredential

_CONNECT_SECONDS: Final = 5.0
_ACKNOWLEDGED_SECONDS: Final = 10.0
_AT_LEAST_ONCE: Final = 1
_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class MqttDoor:
    """Where devices reach the broker; `certificate` is the PEM file of what it shows, empty for no TLS."""

    host: str
    port: int
    certificate: str = ""


async def publish(door: MqttDoor, credential: DeviceCredential, topic: str, message: bytes) -> None:
    """Log in with `credential`, publish `message` on `topic` with QoS 1 and leave.

    Raises `Unavailable` when the broker does not let the device in (five seconds to say so), lets go of it, or
    does not acknowledge within ten seconds.
    """
    await asyncio.to_thread(_publish, door, credential, topic, message)


def _publish(door: MqttDoor, credential: DeviceCredential, topic: str, message: bytes) -> None:
    client = Client(
        CallbackAPIVersion.VERSION2, credential.device, protocol=MQTTProtocolVersion.MQTTv311
    )
    client.username_pw_set(credential.username, credential.password)
    client.connect_timeout = _CONNECT_SECONDS
    let_in: Future[bool] = Future()
    client.on_connect = lambda _client, _userdata, _flags, reason, _properties: (
        None if let_in.done() else let_in.set_result(not reason.is_failure)
    )
    if door.certificate:
        client.tls_set_context(_showing(door.certificate))
    try:
        client.connect("127.0.0.1" if door.host in _ANY_ADDRESS else door.host, door.port)
    except OSError as problem:
        msg = f"the broker does not answer devices: {problem}"
        raise Unavailable(msg) from problem
    client.loop_start()
    try:
        if not let_in.result(_CONNECT_SECONDS):
            msg = "the broker does not let the device in"
            raise Unavailable(msg)
        told = client.publish(topic, message, qos=_AT_LEAST_ONCE)
        told.wait_for_publish(_ACKNOWLEDGED_SECONDS)
        if not told.is_published():
            msg = "the broker did not acknowledge the device's message"
            raise Unavailable(msg)
        client.disconnect()
    except TimeoutError as problem:
        msg = "the broker does not say whether it lets the device in"
        raise Unavailable(msg) from problem
    except RuntimeError as problem:
        # How paho tells that the connection was gone before the message was.
        msg = f"the broker let go of the device: {problem}"
        raise Unavailable(msg) from problem
    finally:
        client.loop_stop()


def _showing(certificate: str) -> ssl.SSLContext:
    """Return a context that accepts a server with this certificate, by whatever name it is reached."""
    context = ssl.create_default_context(cadata=Path(certificate).read_text())
    context.check_hostname = False
    # It is compared itself; who signed it does not matter.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
