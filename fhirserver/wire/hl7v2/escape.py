r"""Escape sequences of text, in both directions.

Reading never loses a character: a sequence we do not know, and a lone escape character, stay as they are. Formatting
becomes what plain text has: line breaks and spaces. ``\X..\`` are bytes in the character set of the message.

Spec: HL7 v2.6, 2.7 (use of escape sequences in text fields).
"""

import re
from typing import Final

from fhirserver.wire.hl7v2.delimiters import Delimiters

_MOST_REPEATED: Final = 100
_FORMATTING: Final = re.compile(r"\.(br|ce|fi|nf|sp|sk|in|ti)([+-]?\d{1,3})?")
_HEX: Final = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BREAK: Final = ".br"


def unescape(text: str, delimiters: Delimiters, codec: str = "utf-8") -> str:
    """Return the plain text of a leaf; `codec` is that of the message."""
    mark = delimiters.escape
    if mark not in text:
        return text
    first, *rest = text.split(mark)
    done = [first]
    position = 0
    while position < len(rest):
        meant = None
        if position + 1 < len(rest) and rest[position]:
            meant = _meaning(rest[position], delimiters, codec)
        if meant is None:
            done.append(mark + rest[position])
            position += 1
        else:
            done.append(meant + rest[position + 1])
            position += 2
    return "".join(done)


def escape(text: str, delimiters: Delimiters) -> str:
    """Return `text` so that it can stand in a leaf, whatever is in it."""
    mark = delimiters.escape
    sequences = {
        delimiters.escape: "E",
        delimiters.field: "F",
        delimiters.component: "S",
        delimiters.subcomponent: "T",
        delimiters.repetition: "R",
        "\n": _BREAK,
    }
    if text == '""':
        # Unescaped this would be NULL, an order to delete.
        return f"{mark}X2222{mark}"
    if text.isalnum():
        return text
    escaped = "".join(f"{mark}{sequences[one]}{mark}" if one in sequences else one for one in text)
    return _CONTROL.sub(lambda found: f"{mark}X{ord(found[0]):02X}{mark}", escaped)


def _meaning(sequence: str, delimiters: Delimiters, codec: str) -> str | None:
    """Return what stands between two escape characters, None where it is no sequence we know."""
    single = {
        "E": delimiters.escape,
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "P": "#",
        "H": "",
        "N": "",
    }.get(sequence)
    if single is not None:
        return single
    if (found := _HEX.fullmatch(sequence)) is not None:
        try:
            return bytes.fromhex(found[1]).decode(codec)
        except UnicodeDecodeError:
            return None
    if (found := _FORMATTING.fullmatch(sequence)) is not None:
        return _formatted(found[1], abs(int(found[2] or "1")))
    return None


def _formatted(command: str, times: int) -> str | None:
    if times > _MOST_REPEATED:
        return None
    if command in ("br", "ce", "sp"):
        return "\n" * (times if command == "sp" else 1)
    return " " * times if command == "sk" else ""
