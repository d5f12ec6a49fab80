"""One page of a search, as the store answers it."""

from dataclasses import dataclass

from fhirserver.kernel.errors import Problem
from fhirserver.kernel.resource import Stored


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Matches in order, and what comes along with them.

    `included` are resources that matches refer to or are referred to by, each once and none of them a match of this page.
    `total` is how many matches there are, None unless that was asked for. `cursor` opens the next page and is None on
    the last one. `outcome` is what the caller is told about the search itself.
    """

    entries: tuple[Stored, ...]
    included: tuple[Stored, ...] = ()
    total: int | None = None
    cursor: str | None = None
    outcome: tuple[Problem, ...] = ()
