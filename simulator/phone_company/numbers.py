"""Phone numbers in E.164 (https://www.itu.int/rec/T-REC-E.164) and how long a text message is."""

import math
import re

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_GSM7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_EXTENDED = set("^{}\\[~]|€\f")


def is_e164(number: str) -> bool:
    """Whether `number` is a phone number with country code, such as ``+15005550006``."""
    return _E164.fullmatch(number) is not None


def segments(text: str) -> int:
    """Return how many text messages `text` is billed as (3GPP TS 23.038)."""
    if all(c in _GSM7 or c in _GSM7_EXTENDED for c in text):
        length = sum(2 if c in _GSM7_EXTENDED else 1 for c in text)
        single, joined = 160, 153
    else:
        length = len(text.encode("utf-16-be")) // 2
        single, joined = 70, 67
    return 1 if length <= single else math.ceil(length / joined)
