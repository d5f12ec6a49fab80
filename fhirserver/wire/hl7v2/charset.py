"""Character sets: a message names its own in MSH-18, by the names of HL7 table 0211.

What names none is read as its sender is known to write, and where that fails as Windows-1252, which is what such
senders nearly always mean; the guess is told. A named set that does not fit is a fault of the sender.
"""

import re
from dataclasses import dataclass
from typing import Final

from fhirserver.wire.hl7v2.delimiters import NotHl7

UTF_8: Final = "UNICODE UTF-8"
_GUESS: Final = "cp1252"
# Sets of which every byte below 0x20 is a control character, as MLLP and CR demand: no UTF-16 or UTF-32.
_CODECS: Final = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15)},
    "ISO IR14": "iso2022_jp",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_1",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "UNICODE": "utf-8",
    UTF_8: "utf-8",
}
_MEANT: Final = {
    "UTF8": "utf-8",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "ISOIR100": "iso8859-1",
    "LATIN1": "iso8859-1",
    "LATIN2": "iso8859-2",
    "WINDOWS1250": "cp1250",
    "WINDOWS1251": "cp1251",
    "WINDOWS1252": "cp1252",
    "CP1252": "cp1252",
    "BIG5": "big5",
    "GB18030": "gb18030",
    "SHIFTJIS": "shift_jis",
}
_HEADER: Final = re.compile(rb"(?:\A|[\r\n])MSH([^\w\s])[^\r\n]*")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a message, the Python codec it was read by, and whether that was a guess."""

    text: str
    codec: str
    guessed: bool = False


def codec_of(name: str) -> str | None:
    """Return the Python codec of a character set as senders name it, None for one we do not have."""
    name = name.strip().upper()
    if name in _CODECS:
        return _CODECS[name]
    short = re.sub(r"[^A-Z0-9]", "", name)
    if (found := re.fullmatch(r"(?:ISO)?8859(\d{1,2})", short)) is not None:
        return _CODECS.get(f"8859/{found[1]}")
    return _MEANT.get(short.removeprefix("UNICODE")) or _MEANT.get(short)


def decode(raw: bytes, default: str = "utf-8") -> Decoded:
    """Return the text of `raw`; `default` is the codec where MSH-18 is empty.

    Raises `NotHl7` for a character set we do not have and for bytes that are not of the one that is named.
    """
    named = _named(raw)
    if not named:
        for codec in (default, _GUESS):
            try:
                return Decoded(raw.decode(codec), codec, codec != default)
            except UnicodeDecodeError:
                continue
        raise NotHl7("no character set fits the bytes; name it in MSH-18")
    codec_found = codec_of(named)
    if codec_found is None:
        raise NotHl7("the character set in MSH-18 is not supported")
    try:
        return Decoded(raw.decode(codec_found), codec_found)
    except UnicodeDecodeError:
        raise NotHl7("the bytes are not of the character set in MSH-18") from None


def _named(raw: bytes) -> str:
    """Return the first repetition of MSH-18."""
    header = _HEADER.search(raw)
    if header is None:
        return ""
    fields = header[0].lstrip(b"\r\n").split(header[1])
    return (
        re.split(r"[~^]", fields[17].decode("latin-1"), maxsplit=1)[0].strip()
        if len(fields) > 17
        else ""
    )
