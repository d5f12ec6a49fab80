"""The access decision for somebody who is not connected: work handed in earlier runs with today's rights.

Spec: https://hl7.org/fhir/R4/async.html
"""

from datetime import datetime

from fhirserver.auth import decide
from fhirserver.kernel.ports import RecordStore
from fhirserver.kernel.principal import Access, Grant


async def access_of(store: RecordStore, grant: Grant, now: datetime) -> Access:
    """Return what the holder of `grant` may touch at `now` (aware); a grant without scopes is narrowed by nothing."""
    return decide(grant.principal, await store.relations(grant.principal), now, grant)
