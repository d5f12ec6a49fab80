"""SMPP 3.4 against the octets of the specification."""

import struct
from collections.abc import Iterable

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core import smpp
from subscriptions.core.gsm import decode, encode, is_gsm
from subscriptions.core.smpp import Malformed, Receipt, Written

RECEIPT = "id:{id} sub:001 dlvrd:001 submit date:2608010930 done date:2608010931 stat:{stat} err:00A text:x"


def deliver(
    text: bytes = b"",
    *,
    esm_class: int = 0,
    coding: int = 0,
    tlvs: Iterable[tuple[int, bytes]] = (),
) -> bytes:
    return smpp34.DeliverSm(
        source_addr="15550000001",
        destination_addr="15550009999",
        short_message=text,
        esm_class=esm_class,
        data_coding=coding,
        tlvs=[smpp34.Tlv(tag, value) for tag, value in tlvs],
    ).encode()


def test_a_bind_octet_for_octet() -> None:
    head = "00000028 00000009 00000000 00000001"
    body = "534D50503354455354 00 7365637265743038 00 00 34 00 00 00"
    expected = bytes.fromhex(f"{head} {body}")
    assert smpp.bind("SMPP3TEST", "secret08", 1) == expected


@pytest.mark.parametrize(("name", "password"), [("x" * 16, "p"), ("n", "p" * 9)])
def test_what_does_not_fit_a_bind_is_refused(name: str, password: str) -> None:
    with pytest.raises(ValueError, match="15 characters"):
        smpp.bind(name, password, 1)


def test_a_header() -> None:
    head = smpp.header(smpp.bare(smpp.ENQUIRE_LINK, 7))
    assert (head.length, head.command, head.status, head.sequence) == (16, 0x15, 0, 7)
    for length in (0, 15, 10**6):
        with pytest.raises(Malformed):
            smpp.header(struct.pack(">IIII", length, 0x15, 0, 1))


def test_a_text_goes_out_in_the_default_alphabet() -> None:
    pdu = smpp34.decode(smpp.submit("+15550009999", "+15550000001", "ALERT: ñ @", 3, receipt=True))
    assert isinstance(pdu, smpp34.SubmitSm)
    assert pdu.sequence_number == 3
    assert (pdu.source_addr, pdu.destination_addr) == ("15550009999", "15550000001")
    assert (pdu.source_addr_ton, pdu.dest_addr_ton, pdu.dest_addr_npi) == (1, 1, 1)
    assert (pdu.data_coding, pdu.registered_delivery) == (0, 1)
    assert pdu.short_message == b"ALERT: \x7d \x00"
    assert pdu.tlvs == []


def test_what_the_alphabet_lacks_goes_out_in_ucs2() -> None:
    pdu = smpp34.decode(smpp.submit("+1555", "+1556", "í", 1, receipt=False))
    assert isinstance(pdu, smpp34.SubmitSm)
    assert (pdu.data_coding, pdu.short_message, pdu.registered_delivery) == (8, b"\0\xed", 0)


@pytest.mark.parametrize(("text", "whole"), [("a" * 160, True), ("a" * 161, False)])
def test_what_is_longer_than_a_segment_goes_as_payload(text: str, whole: bool) -> None:
    pdu = smpp34.decode(smpp.submit("+1555", "+1556", text, 1, receipt=True))
    assert isinstance(pdu, smpp34.SubmitSm)
    assert (pdu.short_message == text.encode()) is whole
    assert [(one.tag, one.value) for one in pdu.tlvs] == ([] if whole else [(0x424, text.encode())])


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("DELIVRD", "delivered"),
        ("UNDELIV", "undelivered"),
        ("EXPIRED", "undelivered"),
        ("REJECTD", "undelivered"),
        ("DELETED", "undelivered"),
        ("ENROUTE", "sent"),
        ("ACCEPTD", "sent"),
        ("UNKNOWN", "sent"),
    ],
)
def test_a_receipt_by_its_words(text: str, status: str) -> None:
    pdu = deliver(RECEIPT.format(id="abc-1", stat=text).encode(), esm_class=4)
    assert smpp.delivered(pdu) == Receipt("abc-1", status)


def test_a_receipt_by_its_parameters() -> None:
    pdu = deliver(esm_class=4, tlvs=[(0x1E, b"m-7\0"), (0x427, b"\x02"), (0x1403, b"\xff")])
    assert smpp.delivered(pdu) == Receipt("m-7", "delivered")


@pytest.mark.parametrize("esm_class", [0x08, 0x10, 0x18])
def test_acknowledgements_of_people_concern_nobody(esm_class: int) -> None:
    assert smpp.delivered(deliver(b"ok", esm_class=esm_class)) is None


def test_a_receipt_that_names_no_message_concerns_nobody() -> None:
    assert smpp.delivered(deliver(b"stat:DELIVRD", esm_class=4)) is None
    assert smpp.delivered(deliver(b"id:7 stat:WEIRD", esm_class=4)) is None


@pytest.mark.parametrize(
    ("octets", "coding", "text"),
    [
        (b"7Q2Kh", 0, "7Q2Kh"),
        (b"\x7d", 0, "ñ"),
        (b"\x1b\x65", 0, "€"),
        (b"caf\xe9", 3, "café"),
        ("sí".encode("utf-16-be"), 8, "sí"),
        (b"\xff", 0, "\ufffd"),
        (b"", 0, ""),
    ],
)
def test_what_a_person_wrote(octets: bytes, coding: int, text: str) -> None:
    assert smpp.delivered(deliver(octets, coding=coding)) == Written("+15550000001", text)


def test_a_part_of_a_long_message_is_read_without_its_header() -> None:
    pdu = deliver(b"\x05\x00\x03\x07\x02\x01STOP", esm_class=0x40)
    assert smpp.delivered(pdu) == Written("+15550000001", "STOP")


def test_a_long_message_of_a_person_stands_in_the_payload() -> None:
    assert smpp.delivered(deliver(tlvs=[(0x424, b"h")])) == Written("+15550000001", "h")


@given(st.binary(max_size=200))
def test_nonsense_is_malformed_and_nothing_worse(body: bytes) -> None:
    pdu = struct.pack(">IIII", 16 + len(body), smpp.DELIVER_SM, 0, 1) + body
    try:
        smpp.delivered(pdu)
    except Malformed:
        return


@pytest.mark.parametrize(
    ("reference", "others"),
    [("255", {"255", "ff", "FF", "597"}), ("ff", {"ff", "255"}), ("x-1", {"x-1"})],
)
def test_a_reference_may_be_written_in_two_ways(reference: str, others: set[str]) -> None:
    assert set(smpp.references(reference)) == others


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_the_default_alphabet_there_and_back(text: str) -> None:
    if is_gsm(text) and not set(text) & set("^{}\\[~]|€"):
        assert decode(encode(text)) == text
    else:
        with pytest.raises(ValueError, match="basic alphabet"):
            encode(text)
