"""AuditEvents that clients write themselves: their leaves go into the log like those of the server's own."""

from collections.abc import Sequence
from typing import Final, LiteralString

from fhirserver.auditing.leaf import leaf_of
from fhirserver.store.connection import Query
from fhirserver.store.flush import Stamp
from fhirserver.store.versions import SealedVersion
from fhirserver.wire.canonical_json import canonical

TYPE: Final = "AuditEvent"

_PENDING: Final[LiteralString] = (
    "INSERT INTO audit_pending (id, tenant, events, leaves, written) VALUES (%s, %s, %s, %b, %s)"
)


def of_clients(stamp: Stamp, rows: Sequence[SealedVersion]) -> list[Query]:
    """Return what adds the leaves of the AuditEvents among `rows`, which are new."""
    events = [one.of for one in rows if one.of.stored.type == TYPE]
    if not events:
        return []
    leaves = b"".join([leaf_of(stamp.tenant, canonical(one.body)) for one in events])
    ids = [one.row for one in events]
    return [Query(_PENDING, (ids[0], stamp.tenant, ids, leaves, stamp.now))]
