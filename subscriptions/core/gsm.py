"""How many segments a text message takes: GSM 03.38 where its alphabet suffices, else UCS-2.

https://www.3gpp.org/dynareport/23038.htm. A segment holds 160 septets (153 when there are several);
in UCS-2 70 (67) characters.
"""

from typing import Final

# The default alphabet in its order; the escape (0x1B) stands as U+001B.
_ORDER: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE: Final = 0x1B
_AFTER_ESCAPE: Final = {
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_BASIC: Final = frozenset(_ORDER) - {"\x1b"}
_EXTENDED: Final = frozenset(_AFTER_ESCAPE.values())


def is_gsm(text: str) -> bool:
    """Return whether every character of `text` is in the GSM alphabet or its extension."""
    return all(c in _BASIC or c in _EXTENDED for c in text)


def segments(text: str) -> int:
    """Return how many segments `text` is sent as (at least one)."""
    if is_gsm(text):
        length, single, joined = sum(2 if c in _EXTENDED else 1 for c in text), 160, 153
    else:
        length, single, joined = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if length <= single else -(-length // joined)


def encode(text: str) -> bytes:
    """Return `text` in the basic alphabet, one octet a character. Raises ValueError beyond it."""
    if not set(text) <= _BASIC:
        raise ValueError("a character is not in the basic alphabet")
    return bytes(_ORDER.index(c) for c in text)


def decode(data: bytes) -> str:
    """Return what octets of the default alphabet say; what they cannot say becomes U+FFFD."""
    found, escaped = [], False
    for octet in data:
        if octet == _ESCAPE and not escaped:
            escaped = True
            continue
        known = _ORDER[octet] if octet < len(_ORDER) else "\ufffd"
        found.append(_AFTER_ESCAPE.get(octet, known) if escaped else known)
        escaped = False
    return "".join(found)
