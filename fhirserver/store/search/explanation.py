"""What an administrator is told about how a search was answered: its statements and PostgreSQL's plans for them.

Values are left out of the statements (they say ``$1``, ``$2`` ... for what is compared); the plans name indexes, costs
and numbers of rows, and may repeat hashes, dates and numbers that were asked for.
"""

import json
import re
from typing import Final

from fhirserver.kernel.errors import Problem
from fhirserver.store.search.session import Session
from fhirserver.store.search.statement import Plan

_PLACE: Final = re.compile("%s")


async def explained(session: Session, planned: Plan) -> tuple[Problem, ...]:
    """Return one note for each statement that ran, and one that says whether hits were verified."""
    exact = "decided by the index alone" if planned.exact else "verified after decryption"
    notes = [
        f"hits are {exact}; order: {', '.join(_key(planned, one) for one in range(len(planned.sort)))}"
    ]
    for sql, plan in await session.plans():
        notes.append(f"{_numbered(sql)}\n{json.dumps(plan, separators=(',', ':'))}")
    return tuple(Problem("information", "informational", "", note) for note in notes)


def _key(planned: Plan, position: int) -> str:
    key = planned.sort[position]
    return (
        f"{key.by}{' ' + key.param if key.param else ''}{' descending' if key.descending else ''}"
    )


def _numbered(sql: str) -> str:
    numbers = iter(range(1, sql.count("%s") + 1))
    return _PLACE.sub(lambda _: f"${next(numbers)}", sql)
