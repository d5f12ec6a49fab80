"""Refusals that a lenient request does not get around, and those that a chain tells apart."""

from fhirserver.kernel.errors import BadRequest


class OverBoundError(BadRequest):
    """The request asks for more than one request may: it is refused even when lenient."""


class UnknownNameError(BadRequest):
    """The type has no such parameter, or the parameter no such modifier."""


def shown(text: str) -> str:
    """Return a caller's own text for an error message, bounded."""
    return repr(text if len(text) <= 64 else text[:64] + "...")
