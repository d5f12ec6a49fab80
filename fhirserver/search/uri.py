"""Addresses above and below each other, for ``:above`` and ``:below``.

An address lies above another when the other's path goes on where its own ends; both count as above
and below themselves. A slash at the end and a canonical's version make no difference, and a URN has
nothing above it.

Spec: https://hl7.org/fhir/R4/search.html#uri
"""

from typing import Final

# What lies above longer addresses is indexed for the first segments only.
MAX_SEGMENTS: Final = 32


def unversioned(url: str) -> str:
    """Return a canonical without its ``|version``."""
    return url.partition("|")[0]


def bare(url: str) -> str:
    """Return an address without version and slash at the end."""
    return unversioned(url).removesuffix("/")


def above(url: str, limit: int | None = None) -> tuple[str, ...]:
    """Return the bare address and all above it; of those, the first `limit` from the top."""
    lowest = bare(url)
    found = [lowest]
    scheme, separator, rest = lowest.partition("://")
    if separator:
        parts = rest.split("/")
        ends = range(1, min(len(parts), (limit or len(parts)) + 1))
        found += [f"{scheme}://" + "/".join(parts[:end]) for end in ends]
    return tuple(found)


def is_below(url: str, upper: str) -> bool:
    """Whether `url` is `upper` or lies below it."""
    lower, upper = bare(url), bare(upper)
    return lower == upper or ("://" in upper and lower.startswith(upper + "/"))
