"""Numbers and ranges as lines carry them; digits stay as sent."""

import re
from decimal import Decimal
from typing import Final

from adapters.containment import Window
from fhirserver.wire.hl7v2.message import Segment

_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,12})?|\.\d{1,12})", re.ASCII)
_TEXT: Final = r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))"
_BETWEEN: Final = re.compile(rf"{_TEXT}\s*(?:-|to|\.\.)\s*{_TEXT}", re.ASCII)
_OPEN: Final = re.compile(rf"(>=|<=|>|<)\s*{_TEXT}", re.ASCII)


class NotANumber(Exception):
    """The value is no number."""


def number(text: str) -> Decimal:
    """Return the number written in `text`. Raises `NotANumber`."""
    if _NUMBER.fullmatch(text.strip()) is None:
        raise NotANumber
    return Decimal(text.strip())


def value_of(obx: Segment) -> Decimal | None:
    """Return the number of a line of type NM, SN (``=`` or no comparator) or untyped text; None where it is empty.

    Raises `NotANumber`, also for ``>100``: a bound is no reading.
    """
    if obx.raw(2) == "SN":
        comparator = obx.text(5)
        if comparator not in (None, "", "=") or obx.text(5, 3):
            raise NotANumber
        text = obx.text(5, 2)
    else:
        text = obx.text(5)
    return number(text) if text else None


def window_of(text: str | None) -> Window | None:
    """Return the alarm limits in OBX-7: ``122-262``, ``-250--20``, ``>30`` (no upper limit), ``<400`` (no lower limit).

    None where there are none, where they cannot be read, and where the lower one is not below the upper one.
    """
    text = (text or "").strip()
    try:
        if (found := _BETWEEN.fullmatch(text)) is not None:
            low, high = number(found[1]), number(found[2])
            return Window(low, high) if low < high else None
        if (found := _OPEN.fullmatch(text)) is not None:
            bound = number(found[2])
            return Window(bound, None) if found[1].startswith(">") else Window(None, bound)
    except NotANumber:
        return None
    return None
