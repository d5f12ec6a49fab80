"""Up to when the record is complete: what was written until then is there to be read, and nothing older can appear.

A transaction takes its time, commits later, and only then can be seen. Who reads "everything since ten o'clock" page
by page, or time after time, must not miss a version because a slower one than its neighbours wrote it. So every write
transaction holds a shared advisory lock named by a moment before its own time; readers look at the oldest of them and
stop there.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString

from fhirserver.kernel import keys
from fhirserver.store.connection import Query

# The highest byte of our lock numbers; the rest is the moment in milliseconds since 1970.
_OURS: Final = 0x2D
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OLDEST: Final[LiteralString] = (
    "SELECT min((classid::bigint & 16777215) << 32 | objid::bigint) FROM pg_locks WHERE locktype = 'advisory' "
    "AND objsubid = 1 AND classid::bigint >> 24 = 45 AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)


def lock_number(moment: datetime) -> int:
    """Return the number of the lock a transaction that takes its time after `moment` holds until it ends."""
    return _OURS << 56 | keys.unix_ms(moment)


# Gives the oldest lock, NULL when there is none.
OLDEST: Final = Query(_OLDEST)


def horizon(oldest: int | None, now: datetime) -> datetime:
    """Return the moment up to which (inclusive) the record is complete; `now` was read before `OLDEST` was asked."""
    return now if oldest is None else min(now, _EPOCH + timedelta(milliseconds=oldest))
