"""What is answered to a message, by the rules of original and enhanced mode, and how the answer is written.

A message is processed before it is answered: a commit accept (CA) says, like an application accept (AA), that what the
message says is stored. `answers` is the whole decision:

=====================  ===========  ====================================================
MSH-15 / MSH-16        mode         answers
=====================  ===========  ====================================================
both empty             original     AA, AE or AR
MSH-15 asks            enhanced     CA, CE or CR
MSH-16 asks            enhanced     AA, AE or AR (after the former, where both ask)
neither asks           enhanced     none
=====================  ===========  ====================================================

"Asks": AL always, NE never, ER when refused, SU when accepted. Spec: HL7 v2.6, 2.9 (message processing rules), 2.15.5
(ERR), 2.15.8 (MSA); IHE PCD-04 is answered by ORA^R41.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple, get_args

from fhirserver.wire.hl7v2.building import (
    Components,
    Subcomponents,
    Value,
    components,
    segment,
    subcomponents,
    text_of,
)
from fhirserver.wire.hl7v2.charset import UTF_8
from fhirserver.wire.hl7v2.delimiters import STANDARD, Delimiters
from fhirserver.wire.hl7v2.escape import escape
from fhirserver.wire.hl7v2.message import Message, Part, Segment
from fhirserver.wire.hl7v2.timestamp import written

Asked = Literal["AL", "NE", "ER", "SU"]
Code = Literal["AA", "AE", "AR", "CA", "CE", "CR"]
Verdict = Literal["accepted", "error", "rejected"]

# HL7 table 0357, of which each fault names one.
SEGMENT_SEQUENCE: Final = "100"
REQUIRED_FIELD: Final = "101"
DATA_TYPE: Final = "102"
TABLE_VALUE: Final = "103"
UNSUPPORTED_MESSAGE: Final = "200"
UNSUPPORTED_EVENT: Final = "201"
UNSUPPORTED_PROCESSING: Final = "202"
UNSUPPORTED_VERSION: Final = "203"
UNKNOWN_KEY: Final = "204"
DUPLICATE_KEY: Final = "205"
LOCKED: Final = "206"
INTERNAL: Final = "207"
_FAULTS: Final = {
    "0": "Message accepted",
    SEGMENT_SEQUENCE: "Segment sequence error",
    REQUIRED_FIELD: "Required field missing",
    DATA_TYPE: "Data type error",
    TABLE_VALUE: "Table value not found",
    UNSUPPORTED_MESSAGE: "Unsupported message type",
    UNSUPPORTED_EVENT: "Unsupported event code",
    UNSUPPORTED_PROCESSING: "Unsupported processing id",
    UNSUPPORTED_VERSION: "Unsupported version id",
    UNKNOWN_KEY: "Unknown key identifier",
    DUPLICATE_KEY: "Duplicate key identifier",
    LOCKED: "Application record locked",
    INTERNAL: "Application internal error",
}
_CODES: Final[dict[Verdict, tuple[Code, Code]]] = {
    "accepted": ("CA", "AA"),
    "error": ("CE", "AE"),
    "rejected": ("CR", "AR"),
}
# What an answer says again of what it answers, and where.
_ECHOED: Final = (3, 4, 5, 6, 9, 11, 12)
# Since 2.5 an ERR says where, what and how bad; before, one field says where and what.
_DETAILED_FROM: Final = (2, 5)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a message: a segment, the how-manieth of its id, and a field, each as far as it is known."""

    segment: str
    sequence: int = 1
    field: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `code` is of table 0357; `text` is our own words and names nobody."""

    code: str
    text: str
    place: Place | None = None
    severity: Literal["E", "W", "I"] = "E"


@dataclass(frozen=True, slots=True)
class Asking:
    """What MSH-15 (accept) and MSH-16 (application) ask for; both None is the original mode."""

    accept: Asked | None
    application: Asked | None

    @property
    def is_original(self) -> bool:
        """Return whether the sender knows no enhanced mode."""
        return self.accept is None and self.application is None


def asking(header: Segment) -> Asking:
    """Return what a message's MSH asks for; what is no code of table 0155 counts as always."""
    return Asking(_asked(header.text(15)), _asked(header.text(16)))


def answers(asks: Asking, verdict: Verdict) -> tuple[Code, ...]:
    """Return the codes of the answers that are owed, in order."""
    commit, application = _CODES[verdict]
    if asks.is_original:
        return (application,)
    accepted = verdict == "accepted"
    return tuple(
        code
        for asked, code in ((asks.accept, commit), (asks.application, application))
        if asked in ("AL", "SU" if accepted else "ER")
    )


def acknowledgement(
    header: Segment | None,
    code: Code,
    faults: Sequence[Fault],
    *,
    control_id: str,
    now: datetime,
    application: str,
) -> str:
    """Return the answer `code` to the message with this MSH; None where no MSH could be read.

    `control_id` is the answer's own, `application` our name where the sender did not address one.
    """
    faults = (
        tuple(faults) if code not in ("AA", "CA") else tuple(f for f in faults if f.severity != "E")
    )
    version = (header and header.text(12)) or "2.5"
    detailed = _version(version) >= _DETAILED_FROM
    error = next((one.text for one in faults), None)
    written_segments = [
        _header(header, code, control_id=control_id, now=now, application=application),
        segment(
            "MSA",
            {
                1: code,
                2: None if header is None else header.text(10),
                3: None if detailed else error,
            },
        ),
        *(_detailed(one) if detailed else _located(one) for one in faults),
    ]
    return text_of(written_segments)


def fault_text(code: str) -> str:
    """Return the standard's words for a code of table 0357."""
    return _FAULTS.get(code, _FAULTS[INTERNAL])


def _asked(text: str | None) -> Asked | None:
    if not text:
        return None
    return text if text in get_args(Asked) else "AL"  # type: ignore[return-value]  # checked against the literal


def _version(text: str) -> tuple[int, ...]:
    return tuple(
        int(one) for one in text.split(".") if one.isascii() and one.isdigit() and len(one) < 5
    )


def _header(
    header: Segment | None, code: Code, *, control_id: str, now: datetime, application: str
) -> str:
    echoed = None if header is None else _Echoed(header.raws(_ECHOED), *header.written_with)
    names = _names(echoed, code, application)
    line = STANDARD.field.join(
        ["MSH", STANDARD.encoding, *names[:4], written(now), "", names[4], escape(control_id, STANDARD), *names[5:]]
    )  # fmt: skip
    return line if line.isascii() else f"{line}||||||{escape(UTF_8, STANDARD)}"


@lru_cache(maxsize=1024)
def _names(echoed: "_Echoed | None", code: Code, application: str) -> tuple[str, ...]:
    """Return fields 3 to 6, 9, 11 and 12 of the answer as they are written: the same for all messages of a sender."""
    header = None if echoed is None else echoed.header()
    event = None if header is None else header.text(9, 2)
    is_alert = header is not None and (header.text(9), event) == ("ORU", "R40") and code[0] == "A"
    kind = components("ORA", "R41", "ORA_R41") if is_alert else components("ACK", event, "ACK")
    fields: dict[int, Value] = {
        3: application,
        9: kind,
        11: "P",
        12: "2.5",
    }
    if header is not None:
        fields |= {
            3: _copied(header, 5) or application,
            4: _copied(header, 6),
            5: _copied(header, 3),
            6: _copied(header, 4),
            11: _copied(header, 11) or "P",
            12: header.text(12) or "2.5",
        }
    written_fields = segment("MSH", fields).split(STANDARD.field)
    return tuple(written_fields[number - 1] for number in _ECHOED)


class _Echoed(NamedTuple):
    """What an answer says again, as it was sent."""

    raws: tuple[str, ...]
    delimiters: Delimiters
    codec: str

    def header(self) -> Segment:
        fields = [""] * (max(_ECHOED) + 1)
        for number, raw in zip(_ECHOED, self.raws, strict=True):
            fields[number] = raw
        return Segment("MSH", fields, 1, Message(self.delimiters, self.codec))


def _copied(header: Segment, field: int) -> Components | None:
    """Return the first repetition of a field, to be written again."""
    for part in header.field(field).repetitions():
        numbers = range(1, part.children() + 1)
        return components(*(_copied_component(part.child(number)) for number in numbers))
    return None


def _copied_component(part: Part) -> Subcomponents:
    return subcomponents(*(part.text(number) for number in range(1, part.children() + 1)))


def _detailed(fault: Fault) -> str:
    place = fault.place
    where = None
    if place is not None:
        field = None if place.field is None else str(place.field)
        where = components(place.segment, str(place.sequence), field)
    code = components(fault.code, fault_text(fault.code), "HL70357")
    return segment("ERR", {2: where, 3: code, 4: fault.severity, 8: fault.text})


def _located(fault: Fault) -> str:
    place = fault.place or Place("", 1)
    field = None if place.field is None else str(place.field)
    code = subcomponents(fault.code, fault_text(fault.code), "HL70357")
    return segment("ERR", {1: components(place.segment, str(place.sequence), field, code)})
