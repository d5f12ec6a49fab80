"""Which sender a message is of, and what is wrong with a site's files."""

import pytest

from adapters.hl7v2 import sites
from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.mapping.errors import MappingError
from adapters.hl7v2.routing import interpret
from adapters.hl7v2.sites import Peer
from fhirserver.wire.hl7v2.message import Part, read

SENDERS = b"""
senders:
  - {name: proven, match: {certificate: CN=engine, network: 10.0.0.0/8}}
  - {name: lab, match: {MSH-3: LAB, MSH-4: "1.2.3"}, zone: Europe/Paris, charset: 8859/1, interval-s: 5}
  - {name: net, match: {network: 192.168.1.0/24}, control-ids: reused, clock: synchronized}
"""


def sender(application: str, peer: Peer, *, rest: bytes = b"") -> str | None:
    header = read(f"MSH|^~\\&|{application}|WARD^1.2.3^ISO").header
    found = sites.load([("s", SENDERS + rest)], unknown="accept").sender_of(header, peer)
    return None if found is None else found.name


@pytest.mark.parametrize(
    ("application", "peer", "name"),
    [
        ("LAB", Peer("10.1.1.1", "CN=engine"), "proven"),
        ("LAB", Peer("11.1.1.1", "CN=engine"), "lab"),
        ("LAB^LABID", Peer("127.0.0.1"), "lab"),
        ("X^LAB", Peer("::1"), "lab"),
        ("lab", Peer("127.0.0.1"), "default"),
        ("X", Peer("192.168.1.9"), "net"),
        ("", Peer("127.0.0.1", "CN=other"), "default"),
    ],
)
def test_the_first_that_fits_is_the_sender(application: str, peer: Peer, name: str) -> None:
    assert sender(application, peer) == name


def test_nobody_else_is_listened_to_unless_a_site_says_so() -> None:
    header = read("MSH|^~\\&|X|").header
    assert sites.load([("s", SENDERS)]).sender_of(header, Peer("127.0.0.1")) is None
    welcome = sites.load([("s", SENDERS + b"unknown: accept\n")])
    assert welcome.sender_of(header, Peer("127.0.0.1")) is not None


def test_a_site_without_senders_is_deaf() -> None:
    assert sites.load().is_deaf
    assert not sites.load(unknown="accept").is_deaf
    assert not sites.load([("s", SENDERS)]).is_deaf


def test_a_site_may_listen_to_nobody_else() -> None:
    assert sender("X", Peer("127.0.0.1"), rest=b"unknown: refuse\n") is None
    assert sender("LAB", Peer("127.0.0.1"), rest=b"unknown: refuse\n") == "lab"


def test_before_anything_is_read_only_the_connection_counts() -> None:
    known = sites.load([("s", SENDERS)], unknown="accept")
    for peer, name in (
        (Peer("10.1.1.1", "CN=engine"), "proven"),
        (Peer("192.168.1.9"), "net"),
        (Peer("::1"), "default"),
    ):
        found = known.sender_of(None, peer)
        assert found is not None
        assert found.name == name


def test_what_is_agreed() -> None:
    lab = next(one for one in sites.load([("s", SENDERS)]).senders if one.name == "lab")
    assert (str(lab.zone), lab.charset, lab.interval, lab.clock, lab.reuses_ids) == (
        "Europe/Paris", "iso8859-1", 5, "unverified", False,
    )  # fmt: skip
    net = next(one for one in sites.load([("s", SENDERS)]).senders if one.name == "net")
    assert (net.clock, net.reuses_ids) == ("synchronized", True)
    assert lab.unit("mmHg") == "mm[Hg]"


@pytest.mark.parametrize(
    "wrong",
    [
        b"senders: [{zone: UTC}]",
        b"senders: [{name: a, odd: 1}]",
        b"senders: [{name: a, zone: Mars/Olympus}]",
        b"senders: [{name: a, zone: ../etc/passwd}]",
        b"senders: [{name: a, charset: KLINGON}]",
        b"senders: [{name: a, clock: fast}]",
        b"senders: [{name: a, control-ids: odd}]",
        b"senders: [{name: a, interval-s: 0}]",
        b"senders: [{name: a, interval-s: soon}]",
        b"senders: [{name: a, match: {odd: 1}}]",
        b"senders: [{name: a, match: {network: here}}]",
        b"senders: [{name: a, devices: {x: y}}]",
        b"senders: [{name: a, codes: {x: y}}]",
        b"codes: {x: y}",
        b"unknown: perhaps",
        b"maps: {m: {messages: ['ADT^A01'], resources: {p: {type: Patient, set: {a: '?'}}}}}",
    ],
)
def test_what_is_wrong_stops_the_start(wrong: bytes) -> None:
    with pytest.raises(MappingError) as refused:
        sites.load([("site.yaml", wrong)])
    assert refused.value.problems


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(MappingError) as refused:
        sites.load(
            [("s", b"senders: [{name: a, clock: fast, zone: x}]\nunknown: perhaps\ntables: {t: 1}")]
        )
    assert len(refused.value.problems) == 4


def test_what_one_sender_means_is_not_what_another_means() -> None:
    text = b"senders: [{name: a, match: {MSH-3: A}}, {name: b, match: {MSH-3: B}, units: {cm: 'mm[Hg]'}}]"
    first, second = sites.load([("s", text)]).senders[:2]
    (line,) = read("MSH|^~\\&|A\rOBX|1|NM|158776^^MDC||12|cm").all("OBX")

    def unit_of(part: Part, sender: Sender) -> str:
        return sender.unit(part.raw)

    assert first.meaning(line.field(6), "unit", unit_of) == "cm"
    assert second.meaning(line.field(6), "unit", unit_of) == "mm[Hg]"


def test_a_sender_may_be_believed_for_some_kinds_of_messages_only() -> None:
    text = b"senders: [{name: lab, match: {MSH-3: LAB}, accepts: [ORU^R01, 'SIU^*']}]"
    lab, everybody = sites.load([("s", text)], unknown="accept").senders
    kinds = ("ORU^R01", "ORU^R40", "SIU^S12", "ADT^A40")
    assert [lab.may_send(one) for one in kinds] == [True, False, True, False]
    assert all(everybody.may_send(one) for one in kinds)
    with pytest.raises(MappingError, match="accepts"):
        sites.load([("s", text.replace(b"[ORU^R01, 'SIU^*']", b"ORU^R01"))])


def test_what_is_not_agreed_is_rejected() -> None:
    text = b"senders: [{name: lab, match: {MSH-3: LAB}, accepts: [ORU^R01]}]"
    known = sites.load([("s", text)], unknown="accept")
    merge = read("MSH|^~\\&|LAB|X|||20260801||ADT^A40|1|P|2.6\rPID|1||1\rMRG|2")
    refusal = interpret(merge, known.senders[0], known.plans).refusal
    assert refusal is not None
    assert (refusal.verdict, refusal.reason) == ("rejected", "not-agreed")
    assert interpret(merge, known.senders[1], known.plans).refusal is None
