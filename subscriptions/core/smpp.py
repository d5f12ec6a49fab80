"""SMPP 3.4 in the part we speak: what a PDU says, and PDUs to send.

https://smpp.org/SMPP_v3_4_Issue1_2.pdf: 3.2 (PDU format), 4.1.5 (bind_transceiver), 4.4 (submit_sm),
4.6 (deliver_sm), 5.1.3 (command_status), 5.2.12 (esm_class), 5.2.28 (message_state), appendix B
(receipts). submit_sm and deliver_sm are coded by the library `smpp34`; the others are a header and a
few strings. Texts go out in the GSM default alphabet, else in UCS-2; what is longer than a segment
goes as message_payload, which the centre cuts up.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import smpp34

from subscriptions.core import gsm

HEADER: Final = 16
LONGEST: Final = 70_000

GENERIC_NACK: Final = 0x80000000
BIND_TRANSCEIVER: Final = 0x00000009
SUBMIT_SM: Final = 0x00000004
DELIVER_SM: Final = 0x00000005
UNBIND: Final = 0x00000006
ENQUIRE_LINK: Final = 0x00000015
RESPONSE: Final = 0x80000000

OK: Final = 0x00000000
UNKNOWN_COMMAND: Final = 0x00000003
TRY_LATER: Final = 0x00000064  # ESME_RX_T_APPN
REJECTED: Final = 0x00000065  # ESME_RX_P_APPN
# The address of the person is wrong: ESME_RINVDSTADR, RINVDSTTON, RINVDSTNPI.
DEAD_NUMBER: Final = frozenset((0x0000000B, 0x00000050, 0x00000051))

# Optional parameters (5.3.2).
_RECEIPTED_MESSAGE_ID: Final = 0x001E
_MESSAGE_PAYLOAD: Final = 0x0424
_MESSAGE_STATE: Final = 0x0427
_SINGLE: Final = 160
_INTERNATIONAL, _ISDN = 1, 1
_RECEIPT_KIND: Final = 0b0011_1100
_DELIVERY_RECEIPT: Final = 0b0000_0100
_WITH_HEADER: Final = 0b0100_0000
_DEFAULT_ALPHABET, _ASCII, _LATIN_1, _UCS2 = 0, 1, 3, 8
_STATES: Final = {
    1: "sent",
    2: "delivered",
    3: "undelivered",
    4: "undelivered",
    5: "undelivered",
    6: "sent",
    7: "sent",
    8: "undelivered",
}
_STATE_WORDS: Final = {
    "ENROUTE": "sent",
    "DELIVRD": "delivered",
    "EXPIRED": "undelivered",
    "DELETED": "undelivered",
    "UNDELIV": "undelivered",
    "ACCEPTD": "sent",
    "UNKNOWN": "sent",
    "REJECTD": "undelivered",
}
_RECEIPT_ID: Final = re.compile(r"\bid:\s*(\S+)", re.IGNORECASE)
_RECEIPT_STATE: Final = re.compile(r"\bstat:\s*([A-Za-z]+)", re.IGNORECASE)


class Malformed(ValueError):
    """The bytes are no PDU of SMPP 3.4."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first sixteen octets of every PDU."""

    length: int
    command: int
    status: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the message the centre knows as `reference`, in the words of `core.receipt`."""

    reference: str
    status: str


@dataclass(frozen=True, slots=True)
class Written:
    """A person at `sender` (E.164) wrote `text`."""

    sender: str
    text: str


def header(data: bytes) -> Header:
    """Return the header of a PDU. Raises `Malformed` for one that cannot be."""
    found = Header(*struct.unpack(">IIII", data[:HEADER]))
    if not HEADER <= found.length <= LONGEST:
        raise Malformed("a PDU of an impossible length")
    return found


def bare(command: int, sequence: int, status: int = OK) -> bytes:
    """Return a PDU without a body: most responses, enquire_link, unbind, generic_nack."""
    return struct.pack(">IIII", HEADER, command, status, sequence)


def answered(sequence: int, status: int) -> bytes:
    """Return a deliver_sm_resp."""
    return _framed(DELIVER_SM | RESPONSE, sequence, b"\0", status)


def bind(system_id: str, password: str, sequence: int) -> bytes:
    """Return a bind_transceiver. Raises ValueError for what does not fit its fields."""
    names = (system_id.encode("ascii"), password.encode("ascii"), b"")
    if len(names[0]) > 15 or len(names[1]) > 8:
        raise ValueError("SMPP takes 15 characters of account and 8 of password")
    body = b"".join(name + b"\0" for name in names) + bytes((0x34, 0, 0)) + b"\0"
    return _framed(BIND_TRANSCEIVER, sequence, body)


def submit(sender: str, to: str, text: str, sequence: int, *, receipt: bool) -> bytes:
    """Return a submit_sm from and to numbers in E.164; `receipt` asks for a delivery receipt."""
    try:
        octets, coding, single = gsm.encode(text), _DEFAULT_ALPHABET, _SINGLE
    except ValueError:
        octets, coding, single = text.encode("utf-16-be"), _UCS2, _SINGLE * 7 // 8
    whole = len(octets) <= single
    payload = [] if whole else [smpp34.Tlv(_MESSAGE_PAYLOAD, octets)]
    return smpp34.SubmitSm(
        source_addr=sender.lstrip("+"),
        destination_addr=to.lstrip("+"),
        short_message=octets if whole else b"",
        source_addr_ton=_INTERNATIONAL,
        source_addr_npi=_ISDN,
        dest_addr_ton=_INTERNATIONAL,
        dest_addr_npi=_ISDN,
        registered_delivery=1 if receipt else 0,
        data_coding=coding,
        tlvs=payload,
        sequence_number=sequence,
    ).encode()


def submitted(body: bytes) -> str:
    """Return the message id of a submit_sm_resp."""
    return body.partition(b"\0")[0].decode("ascii", "replace")


def delivered(pdu: bytes) -> Receipt | Written | None:
    """Return what a deliver_sm tells, None for what concerns nobody. Raises `Malformed`."""
    try:
        found = smpp34.decode(pdu)
    except smpp34.SmppError as problem:
        raise Malformed("a deliver_sm that cannot be read") from problem
    if not isinstance(found, smpp34.DeliverSm):
        raise Malformed("no deliver_sm")
    optional = {one.tag: one for one in found.tlvs}
    payload = optional.get(_MESSAGE_PAYLOAD)
    octets = found.short_message or (b"" if payload is None else payload.value)
    kind = found.esm_class & _RECEIPT_KIND
    if kind == _DELIVERY_RECEIPT:
        return _receipt(optional, _text(octets, found.data_coding))
    if kind:
        return None
    if found.esm_class & _WITH_HEADER and octets:
        octets = octets[octets[0] + 1 :]
    number = found.source_addr.lstrip("+")
    return Written(f"+{number}", _text(octets, found.data_coding))


def references(reference: str) -> Iterator[str]:
    """Return how a centre may have called the same message before: some answer in hexadecimal."""
    yield reference
    try:
        yield format(int(reference), "x")
        yield format(int(reference), "X")
    except ValueError:
        pass
    try:
        yield str(int(reference, 16))
    except ValueError:
        return


def _framed(command: int, sequence: int, body: bytes, status: int = OK) -> bytes:
    return struct.pack(">IIII", HEADER + len(body), command, status, sequence) + body


def _receipt(optional: dict[int, smpp34.Tlv], text: str) -> Receipt | None:
    named = optional.get(_RECEIPTED_MESSAGE_ID)
    state = optional.get(_MESSAGE_STATE)
    written = _RECEIPT_ID.search(text)
    word = _RECEIPT_STATE.search(text)
    reference = named.value.rstrip(b"\0").decode("ascii", "replace") if named else None
    if reference is None and written is not None:
        reference = written[1]
    status = None if state is None or not state.value else _STATES.get(state.value[-1])
    if status is None and word is not None:
        status = _STATE_WORDS.get(word[1].upper())
    return None if reference is None or status is None else Receipt(reference, status)


def _text(octets: bytes, coding: int) -> str:
    if coding == _UCS2:
        return octets.decode("utf-16-be", "replace")
    if coding in (_ASCII, _LATIN_1):
        return octets.decode("latin-1")
    return gsm.decode(octets)
