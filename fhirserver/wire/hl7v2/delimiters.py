"""The characters that separate the parts of a message: stated by each message itself, in MSH-1 and MSH-2.

Spec: HL7 v2.6, 2.5.4 (message delimiters).
"""

import re
from dataclasses import dataclass
from typing import Final


class NotHl7(Exception):
    """The text is no HL7 v2 in ER7. `reason` says why in our own words and holds nothing of the content."""

    def __init__(self, reason: str) -> None:
        """Carry `reason`."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Delimiters:
    """One character each."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    @property
    def encoding(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent


STANDARD: Final = Delimiters()
HEADERS: Final = ("MSH", "FHS", "BHS")
# MSH-2 may have a fifth character (truncation, since 2.7), which changes nothing for a reader.
_MOST: Final = 5
_DELIMITER: Final = re.compile(r"[!-/:-@\[-`{-~]")


def delimiters_of(header: str) -> Delimiters:
    """Return what the header segment (MSH, FHS or BHS) `header` states; what it leaves out is the standard's.

    Raises `NotHl7` where it states none, or the same character twice.
    """
    if header[:3] not in HEADERS:
        raise NotHl7("the message does not begin with MSH")
    field = header[3:4]
    if _DELIMITER.fullmatch(field) is None:
        raise NotHl7("the header names no field separator")
    stated = header[4:].split(field, 1)[0]
    if not 1 <= len(stated) <= _MOST or any(_DELIMITER.fullmatch(one) is None for one in stated):
        raise NotHl7("the header names no encoding characters")
    found = Delimiters(field, *(stated + STANDARD.encoding[len(stated) :])[:4])
    used = (found.field, *found.encoding)
    if len(set(used)) < len(used):
        raise NotHl7("the header gives one character two meanings")
    # One object for nearly all messages, so that it can be compared by identity.
    return STANDARD if found == STANDARD else found
