"""What OBX-8 and OBX-11 say of a value: that there is none, that it is doubtful, that it is a test.

Spec: HL7 PoCD guide, mapping of OBX-8 (https://hl7.org/fhir/uv/pocd), IHE PCD TF-2 appendix B.8, HL7 tables 0078, 0085.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fhirserver.wire.hl7v2.message import Segment

# data-absent-reason by the code that says there is no value.
_ABSENT: Final[Mapping[str, str]] = {
    "INV": "error",
    "NAV": "not-performed",
    "NA": "not-performed",
    "NI": "unknown",
    "UNK": "unknown",
    "NASK": "not-performed",
    "OFFLN": "not-performed",
    "NAN": "not-a-number",
}
# measurement-status by the code that says what kind of value it is; "" says nothing we keep.
_FLAGS: Final[Mapping[str, str]] = {
    "QUES": "questionable",
    "CAL": "calibration-ongoing",
    "ONGO": "msmt-ongoing",
    "EARLY": "early-indication",
    "VALID": "validated-data",
    "ALACT": "in-alarm",
    "ALINH": "alarm-inhibited",
    "ALOFF": "alarm-inhibited",
    "XDCR": "",
    "SETT": "",
    "STBY": "",
    "N": "",
    "L": "",
    "H": "",
    "LL": "",
    "HH": "",
}
_TEST: Final = frozenset(("TEST", "DEMO"))
# OBX-11: what is not (or not any more) a result.
_NO_RESULT: Final[Mapping[str, str]] = {"X": "error", "N": "not-performed", "I": "not-performed"}
# The dead letter's reason of a measure that corrects, deletes or withdraws what was said before.
CORRECTION: Final = "correction"
_TAKEN_BACK: Final = frozenset(("D", "W", "C"))


@dataclass(frozen=True, slots=True)
class ValueStatus:
    """`absent`: why there is no value, None where there may be one. `taken_back`: it corrects an earlier message."""

    absent: str | None
    flags: tuple[str, ...]
    is_test: bool
    taken_back: bool
    unknown: tuple[str, ...]


def status_of(obx: Segment) -> ValueStatus:
    """Return what a line says of its value."""
    result = (obx.text(11) or "F").upper()
    raw = obx.raw(8)
    if not raw and result in ("F", "R", "P"):
        return PLAIN
    codes = [(part.text() or "").upper() for part in obx.field(8).repetitions()]
    absent = next((_ABSENT[code] for code in codes if code in _ABSENT), _NO_RESULT.get(result))
    flags = sorted({flag for code in codes if (flag := _FLAGS.get(code))})
    known = _ABSENT.keys() | _FLAGS.keys() | _TEST
    return ValueStatus(
        absent,
        tuple(flags),
        any(code in _TEST for code in codes),
        result in _TAKEN_BACK,
        tuple(code for code in codes if code and code not in known),
    )


PLAIN: Final = ValueStatus(None, (), False, False, ())
