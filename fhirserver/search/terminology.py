"""Codes above, below and in value sets: what search asks of a terminology.

Spec: https://hl7.org/fhir/R4/search.html#token
"""

from typing import Final, Protocol

from fhirserver.kernel.errors import BadRequest
from fhirserver.search.condition import Members, MembersValue, TokenValue, Value
from fhirserver.search.escape import split, unescape
from fhirserver.search.value import RefusedError

# Codes that one value may stand for and still be looked up one by one.
MAX_CODES: Final = 5000


class Terminology(Protocol):
    """The part of `fhirserver.terminology.Terminology` that search needs."""

    def members(self, value_set: str) -> Members | None:
        """Return the codes of a value set, None when it is not loaded."""
        ...

    def missing(self, value_set: str) -> str:
        """Return in words what is not loaded, after `members` gave None."""
        ...

    def descendants(self, system: str, code: str) -> frozenset[str] | None:
        """Return the code and all below it; None when it or its system is unknown."""
        ...

    def ancestors(self, system: str, code: str) -> frozenset[str] | None:
        """Return the code and all above it; None when it or its system is unknown."""
        ...


def in_value_set(text: str, name: str, terminology: Terminology | None) -> tuple[Value, ...]:
    """Return the codes of the value set whose canonical is `text`, one by one where they are few.

    Raises `BadRequest` for one that is not loaded.
    """
    url = unescape(text)
    if ":" not in url:
        raise RefusedError("expected the canonical URL of a value set")
    try:
        members = terminology.members(url) if terminology is not None else None
    except ValueError as fault:
        # A value set that includes itself, or has too many codes: the message says which.
        raise RefusedError(str(fault)) from None
    if members is None:
        said = terminology.missing(url) if terminology is not None else f"{url} is not loaded"
        raise BadRequest(f"parameter {name}: {said}")
    if members.complete and len(members) <= MAX_CODES:
        return tuple(TokenValue(system, code) for system, code in members)
    return (MembersValue(url, members),)


def related_codes(
    text: str, name: str, modifier: str, terminology: Terminology | None
) -> tuple[Value, ...]:
    """Return the codes that are, or lie below or above, ``system|code``.

    Without a system the code is a media type, below which are its subtypes. Raises `BadRequest` for
    a code system that is not loaded.
    """
    match [unescape(part) for part in split(text, "|")]:
        case [media_type] if media_type and modifier == "below":
            return (TokenValue(None, media_type),)
        case [system, code] if system and code:
            pass
        case _:
            raise RefusedError("expected system|code")
    codes = None
    if terminology is not None:
        find = terminology.descendants if modifier == "below" else terminology.ancestors
        codes = find(system, code)
    if codes is None:
        raise BadRequest(
            f"parameter {name}: the code system {system} is not loaded, or has no code {code}"
        )
    if len(codes) > MAX_CODES:
        raise RefusedError(f"the value stands for more than {MAX_CODES} codes")
    return tuple(TokenValue(system, one) for one in sorted(codes))
