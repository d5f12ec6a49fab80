"""How many segments a text message takes: GSM 03.38 where its alphabet suffices, else UCS-2.

https://www.3gpp.org/dynareport/23038.htm. A segment holds 160 septets (153 when there are several);
in UCS-2 70 (67) characters.
"""

from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[~]|€")


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
