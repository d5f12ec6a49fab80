"""How the telephone companies fare: tries by company, medium and result. Read by the scanning role."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

# Of one tenant, begun since a moment. What was reported says more than what was answered.
OF_TENANT: Final[LiteralString] = (
    "SELECT coalesce(company, ''), medium,"
    " CASE WHEN outcome IN ('handed-over', 'unheard') AND receipt IN ('delivered', 'read',"
    " 'completed', 'in-progress') THEN 'delivered'"
    " WHEN outcome IN ('handed-over', 'unheard') AND receipt IN ('undelivered', 'failed')"
    " THEN 'undelivered' ELSE coalesce(outcome, 'open') END AS result, count(*)"
    " FROM attempt WHERE tenant = %s AND started > %s AND medium IN ('sms', 'voice')"
    " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)


@dataclass(frozen=True, slots=True)
class TryCount:
    """How many tries of one company and medium ended in `result`."""

    company: str
    medium: str
    result: str
    count: int


def try_count(row: Sequence[Any]) -> TryCount:
    """Return a row of `OF_TENANT`."""
    return TryCount(*row)
