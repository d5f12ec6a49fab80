"""Header lines of a Subscription, whose values are written and never read.

``Authorization: Bearer x`` is what such a header is for, and whoever may read the Subscription is not who may have that.
The record keeps ``Authorization: withheld-<16 hex digits>``, and the value lies sealed beside the delivery cursor. A client
that writes back what it read keeps the value, as long as it goes to the same place.

https://hl7.org/fhir/R4/subscription-definitions.html#Subscription.channel.header
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from fhirserver.kernel.resource import Json

_WITHHELD: Final = re.compile(r"withheld-([0-9a-f]{16})")


def withheld(subscription: Json) -> frozenset[str]:
    """Return the names (16 hex digits) that stand for values in the header lines of `subscription`."""
    return frozenset(name for line in _lines(subscription) if (name := _name_in(line)) is not None)


def without_values(subscription: Json, new_name: Callable[[], str]) -> tuple[Json, dict[str, str]]:
    """Return `subscription` with names in the place of header values, and the values by the names they got.

    `new_name` returns 16 hex digits nobody can guess; a value that is withheld already keeps its name.
    """
    values: dict[str, str] = {}
    lines = []
    for line in _lines(subscription):
        header, _, value = line.partition(":")
        if _name_in(line) is None:
            name = new_name()
            values[name] = value.strip()
            line = f"{header}: withheld-{name}"  # noqa: PLW2901 - what is kept in its place
        lines.append(line)
    if not lines:
        return subscription, values
    return {**subscription, "channel": {**subscription["channel"], "header": lines}}, values


def with_values(lines: Iterable[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return header lines as they are sent. Raises `KeyError` for a value that is not there."""
    return tuple(
        line if (name := _name_in(line)) is None else f"{line.partition(':')[0]}: {values[name]}"
        for line in lines
    )


def _lines(subscription: Json) -> list[str]:
    return list(subscription.get("channel", {}).get("header", ()))


def _name_in(line: str) -> str | None:
    found = _WITHHELD.fullmatch(line.partition(":")[2].strip())
    return found[1] if found else None
