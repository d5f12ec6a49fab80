"""One setting: the variable it is read from, what it means, and how its value is written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fhirserver import setting_forms as forms


def setting(
    name: str,
    default: str,
    meaning: str,
    parse: Callable[[str], Any] = forms.text,
    *,
    secret: bool = False,
) -> Any:
    """Return a dataclass field read from the variable `name` by `parse`; ValueError refuses."""
    return field(
        default_factory=lambda: parse(default),
        metadata={
            "name": name,
            "default": default,
            "meaning": meaning,
            "parse": parse,
            "secret": secret,
        },
        repr=not secret,
    )


@dataclass(frozen=True, slots=True)
class Description:
    """What an operator reads about one setting."""

    name: str
    default: str
    meaning: str
    secret: bool
