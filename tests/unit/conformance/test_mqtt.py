import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.load import mqtt
from conformance.load.mqtt import ConnAck, Decoder, PingResp, PubAck, Publish, SubAck

packet_ids = st.integers(1, 0xFFFF)
texts = st.text(st.characters(codec="utf-8"), max_size=40)


def as_bytes(packet: mqtt.Packet) -> bytes:
    """What a broker would send; written from the specification, not by the code under test."""
    match packet:
        case ConnAck(code, session):
            return bytes((0x20, 2, int(session), code))
        case PubAck(packet_id):
            return bytes((0x40, 2, *packet_id.to_bytes(2, "big")))
        case SubAck(packet_id, granted):
            return bytes((0x90, 2 + len(granted), *packet_id.to_bytes(2, "big"), *granted))
        case PingResp():
            return b"\xd0\x00"
        case Publish(topic, payload, packet_id, retain, duplicate):
            name = topic.encode()
            number = b"" if packet_id is None else packet_id.to_bytes(2, "big")
            body = len(name).to_bytes(2, "big") + name + number + payload
            head = 0x30 | (2 if packet_id else 0) | (8 if duplicate else 0) | int(retain)
            length = len(body)
            sizes = [length & 127 | 128, length >> 7] if length > 127 else [length]
            return bytes((head, *sizes)) + body


packets = st.one_of(
    st.builds(ConnAck, st.integers(0, 5), st.booleans()),
    st.builds(PubAck, packet_ids),
    st.builds(SubAck, packet_ids, st.lists(st.sampled_from([0, 1, 128]), min_size=1).map(tuple)),
    st.builds(PingResp),
    st.builds(
        Publish,
        texts,
        st.binary(max_size=300),
        st.none() | packet_ids,
        st.booleans(),
        st.booleans(),
    ),
)


@given(st.lists(packets, max_size=8), st.data())
def test_packets_survive_any_chopping(sent: list[mqtt.Packet], data: st.DataObject) -> None:
    stream = b"".join(as_bytes(packet) for packet in sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    decoder = Decoder()
    received = [
        packet
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for packet in decoder.feed(stream[start:end])
    ]
    assert received == sent


@given(st.lists(packets, min_size=1, max_size=4))
def test_an_incomplete_packet_is_kept_back(sent: list[mqtt.Packet]) -> None:
    stream = b"".join(as_bytes(packet) for packet in sent)
    decoder = Decoder()
    assert decoder.feed(stream[:-1]) == sent[:-1]
    assert decoder.feed(stream[-1:]) == sent[-1:]


@given(texts, st.binary(max_size=1000), packet_ids, st.booleans(), st.booleans())
def test_what_we_publish_reads_back(
    topic: str, payload: bytes, packet_id: int, retain: bool, duplicate: bool
) -> None:
    content = mqtt.publish(topic, payload, packet_id, retain=retain, duplicate=duplicate)
    assert Decoder().feed(content) == [Publish(topic, payload, packet_id, retain, duplicate)]


@pytest.mark.parametrize(
    ("length", "written"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2_097_151, "ffff7f"),
        (2_097_152, "80808001"),
        (268_435_455, "ffffff7f"),
    ],
)
def test_remaining_length_as_in_the_specification(length: int, written: str) -> None:
    assert mqtt.remaining_length(length).hex() == written


@pytest.mark.parametrize("length", [-1, 268_435_456])
def test_no_packet_is_longer_than_the_specification_allows(length: int) -> None:
    with pytest.raises(ValueError, match="256 MiB"):
        mqtt.remaining_length(length)


def test_connect_as_in_the_specification() -> None:
    assert mqtt.connect("c", "u", "p", 60) == (
        b"\x10\x13\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01c\x00\x01u\x00\x01p"
    )


def test_subscribe_as_in_the_specification() -> None:
    expected = b"\x82\x0e\x00\x0a\x00\x03a/b\x01\x00\x03c/d\x02"
    assert mqtt.subscribe(10, [("a/b", 1), ("c/d", 2)]) == expected


@pytest.mark.parametrize("packet_id", [0, 0x10000])
def test_a_publication_needs_a_usable_packet_id(packet_id: int) -> None:
    with pytest.raises(ValueError, match="1 to 65535"):
        mqtt.publish("t", b"", packet_id)


@pytest.mark.parametrize(
    ("what", "content"),
    [
        ("a QoS 2 publication", b"\x34\x05\x00\x01t\x00\x01"),
        ("a topic longer than its packet", b"\x30\x03\x00\x09t"),
        ("a packet id cut off", b"\x32\x04\x00\x01t\x00"),
        ("a topic that is not UTF-8", b"\x30\x04\x00\x02\xff\xfe"),
        ("what only a client sends", b"\x10\x00"),
        ("a PUBACK without packet id", b"\x40\x00"),
        ("a length of five bytes", b"\x30\xff\xff\xff\xff\x01"),
    ],
)
def test_what_no_broker_may_send_is_refused(what: str, content: bytes) -> None:
    with pytest.raises(mqtt.MqttError):
        Decoder().feed(content)
