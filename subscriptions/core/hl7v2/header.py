"""MSH of everything that is sent.

Spec: HL7 v2.6, 2.15.9; IHE Devices TF-2, appendix B.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from fhirserver.wire.hl7v2.building import Components, Value, components, segment
from fhirserver.wire.hl7v2.charset import UTF_8
from fhirserver.wire.hl7v2.timestamp import written
from subscriptions.core.hl7v2.asked import Asked

APPLICATION: Final = "FHIRSERVER"
VERSION: Final = "2.6"
PCD_01: Final = ("IHE_PCD_001", "IHEPCD", "1.3.6.1.4.1.19376.1.6.1.1.1", "ISO")
PCD_04: Final = ("IHE_PCD_004", "IHEPCD", "1.3.6.1.4.1.19376.1.6.1.4.1", "ISO")
# Answers that MSH-15 and MSH-16 ask for; none stated is the original mode, in which AA, AE or AR comes.
Answers = Literal["original", "accept", "both"]
_ANSWERS: Final[dict[Answers, tuple[str | None, str | None]]] = {
    "original": (None, None),
    "accept": ("AL", "NE"),
    "both": ("AL", "AL"),
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, ready to be framed; `control_id` is its MSH-10."""

    control_id: str
    text: str


def header(
    asked: Asked,
    kind: Sequence[str],
    control_id: str,
    sent: datetime,
    *,
    answers: Answers,
    profile: Sequence[str] = (),
    test: bool = False,
) -> str:
    """Return the MSH of a message of `kind` (MSH-9), sent at `sent`. `test`: all of it is test data."""
    accept, application = _ANSWERS[answers]
    fields: dict[int, Value] = {
        3: _place(asked.places.get(3, APPLICATION)),
        **{number: _place(asked.places.get(number)) for number in (4, 5, 6)},
        7: written(sent, milliseconds=True),
        9: components(*kind),
        10: control_id,
        11: "T" if test else "P",
        12: VERSION,
        15: accept,
        16: application,
        18: UTF_8,
        21: components(*profile) if profile else None,
    }
    return segment("MSH", fields)


def _place(text: str | None) -> Components | None:
    return None if text is None else components(*text.split("^"))
