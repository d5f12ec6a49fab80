"""Which versions a history is asked for."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Versions of one resource (`type` and `id`), of a type, or of all `types` the caller may ever read (`type` None).

    `since`: written at or after it. `at`: current at some moment of the period [begin, end). `count` (1..) a page;
    `cursor` is the opaque text of the `next` link.
    """

    type: str | None
    id: str | None
    count: int
    cursor: str | None = None
    since: datetime | None = None
    at: tuple[datetime, datetime] | None = None
    types: frozenset[str] = frozenset()
