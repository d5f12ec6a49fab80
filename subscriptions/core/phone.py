"""Telephone numbers as FHIR carries them, brought to E.164 (``+15551234567``).

https://hl7.org/fhir/R4/datatypes.html#ContactPoint. A number without its country is refused rather
than guessed: a page to the wrong telephone is worse than a contact that is shown as unreachable.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

_DECORATION: Final = re.compile(r"[\s().\-/]|^tel:")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SYSTEMS: Final = ("sms", "phone")


def e164(value: str) -> str | None:
    """Return `value` in E.164, None when it is not a complete international number."""
    plain = _DECORATION.sub("", value.strip())
    if plain.startswith("00"):
        plain = "+" + plain[2:]
    return plain if _E164.fullmatch(plain) else None


def phones(telecom: Sequence[Any]) -> tuple[str, ...]:
    """Return the usable numbers of a resource's telecom, preferred first.

    Only systems ``sms`` and ``phone`` count, ``use`` old does not. Order: rank (none is last), then
    ``sms`` before ``phone``, then as written.
    """
    usable = [
        (point.get("rank", 2**31), _SYSTEMS.index(point["system"]), place, number)
        for place, point in enumerate(telecom)
        if isinstance(point, dict)
        and point.get("system") in _SYSTEMS
        and point.get("use") != "old"
        and (number := e164(str(point.get("value", "")))) is not None
    ]
    return tuple(dict.fromkeys(number for *_, number in sorted(usable)))
