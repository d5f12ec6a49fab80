"""The part of MQTT 3.1.1 a publishing device needs, as bytes in and packets out. Pure.

Written by hand because a load generator must not be what is measured: one process plays a thousand
devices and publishes thousands of QoS 1 messages a second, and a general client (paho: a thread or
a select registration, locks and queues per client, 20-50 us a message) would use more processor
than the server under test. Only CONNECT, PUBLISH (QoS 0 and 1), PUBACK, SUBSCRIBE, PING and
DISCONNECT exist here; a packet a broker must not send to such a client is refused.

http://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"
REFUSED_SUBSCRIPTION: Final = 0x80
HIGHEST_PACKET_ID: Final = 0xFFFF
_LONGEST: Final = 268_435_455
_LENGTH_BYTES: Final = 4

_CONNACK: Final = 2
_PUBLISH: Final = 3
_PUBACK: Final = 4
_SUBACK: Final = 9
_PINGRESP: Final = 13


class MqttError(ValueError):
    """The bytes are no packet a broker may send to a publishing device."""


@dataclass(frozen=True, slots=True)
class ConnAck:
    """The broker's answer to CONNECT; `code` 0 lets us in."""

    code: int
    session_present: bool


@dataclass(frozen=True, slots=True)
class Publish:
    """A message from the broker; `packet_id` is None at QoS 0."""

    topic: str
    payload: bytes
    packet_id: int | None
    retain: bool = False
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class PubAck:
    """The broker has the message with this packet id. It does not mean that the server has."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class SubAck:
    """What each topic of a SUBSCRIBE was granted (its QoS, or `REFUSED_SUBSCRIPTION`)."""

    packet_id: int
    granted: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PingResp:
    """The broker is there."""


Packet = ConnAck | Publish | PubAck | SubAck | PingResp


def connect(
    client_id: str, username: str, password: str, keepalive_s: int, *, clean: bool = True
) -> bytes:
    """Return CONNECT without a will."""
    flags = 0xC0 | (0x02 if clean else 0)
    body = _text("MQTT") + struct.pack("!BBH", 4, flags, keepalive_s)
    return _packet(0x10, body + _text(client_id) + _text(username) + _text(password))


def publish(
    topic: str, payload: bytes, packet_id: int, *, retain: bool = False, duplicate: bool = False
) -> bytes:
    """Return PUBLISH at QoS 1; raises ValueError for a packet id outside 1..65535."""
    if not 1 <= packet_id <= HIGHEST_PACKET_ID:
        raise ValueError("a packet id is 1 to 65535")
    head = 0x32 | (0x08 if duplicate else 0) | (0x01 if retain else 0)
    return _packet(head, _text(topic) + struct.pack("!H", packet_id) + payload)


def subscribe(packet_id: int, topics: Sequence[tuple[str, int]]) -> bytes:
    """Return SUBSCRIBE to each (filter, QoS)."""
    body = b"".join(_text(topic) + bytes((qos,)) for topic, qos in topics)
    return _packet(0x82, struct.pack("!H", packet_id) + body)


def puback(packet_id: int) -> bytes:
    """Return PUBACK."""
    return struct.pack("!BBH", 0x40, 2, packet_id)


def remaining_length(length: int) -> bytes:
    """Return `length` as MQTT writes it: seven bits a byte, low first; raises ValueError beyond."""
    if not 0 <= length <= _LONGEST:
        raise ValueError("a packet is at most 256 MiB long")
    out = bytearray()
    while True:
        length, low = divmod(length, 128)
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out)


class Decoder:
    """Cuts a byte stream, however it is chopped, into packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets that `data` completes, in order; raises MqttError for any other."""
        buffer = self._buffer
        buffer += data
        packets: list[Packet] = []
        start = 0
        while (frame := _frame(buffer, start)) is not None:
            body, end = frame
            packets.append(_read(buffer[start], bytes(buffer[body:end])))
            start = end
        del buffer[:start]
        return packets


def _frame(buffer: bytearray, start: int) -> tuple[int, int] | None:
    """Return where the body of the packet at `start` begins and ends, None while incomplete."""
    length = 0
    for position in range(_LENGTH_BYTES):
        at = start + 1 + position
        if at >= len(buffer):
            return None
        byte = buffer[at]
        length |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            end = at + 1 + length
            return None if end > len(buffer) else (at + 1, end)
    raise MqttError("a remaining length of more than four bytes")


def _read(head: int, body: bytes) -> Packet:
    kind = head >> 4
    if kind == _PUBLISH:
        return _read_publish(head, body)
    if kind == _PUBACK and len(body) == 2:
        return PubAck(int.from_bytes(body, "big"))
    if kind == _CONNACK and len(body) == 2:
        return ConnAck(body[1], bool(body[0] & 1))
    if kind == _SUBACK and len(body) > 2:
        return SubAck(int.from_bytes(body[:2], "big"), tuple(body[2:]))
    if kind == _PINGRESP and not body:
        return PingResp()
    raise MqttError(f"unexpected packet: first byte {head:#04x}, {len(body)} bytes of body")


def _read_publish(head: int, body: bytes) -> Publish:
    qos = head >> 1 & 3
    at = 2 + int.from_bytes(body[:2], "big")
    after = at + (2 if qos else 0)
    if qos > 1 or len(body) < max(2, after):
        raise MqttError("a PUBLISH of QoS 2, or one shorter than its own topic")
    try:
        topic = body[2:at].decode()
    except UnicodeDecodeError as error:
        raise MqttError("a topic that is not UTF-8") from error
    packet_id = int.from_bytes(body[at:after], "big") if qos else None
    return Publish(topic, body[after:], packet_id, bool(head & 1), bool(head & 8))


def _packet(head: int, body: bytes) -> bytes:
    return bytes((head,)) + remaining_length(len(body)) + body


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("!H", len(raw)) + raw
