"""Dates and times of FHIR as HL7 v2 writes them: as precise as they are, with the offset they have.

https://hl7.org/fhir/R4/datatypes.html#dateTime; HL7 v2.6, 2.A.22 (DTM).
"""

import re
from typing import Final

_MOMENT: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d))?)?)?"
)
_MOST_FRACTION: Final = 4


def dtm(text: object) -> str | None:
    """Return a FHIR date, dateTime or instant as DTM; None for what is none."""
    found = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    *digits, fraction, offset = found.groups()
    written = "".join(one or "" for one in digits)
    if fraction:
        written += f".{fraction[:_MOST_FRACTION]}"
    return written + ("+0000" if offset == "Z" else (offset or "").replace(":", ""))
