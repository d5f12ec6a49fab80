"""The access decision for somebody who is not connected: work handed in earlier runs with today's rights.

Spec: https://hl7.org/fhir/R4/async.html
"""

from datetime import datetime

from fhirserver.auth import decide
from fhirserver.kernel.ports import RecordStore
from fhirserver.kernel.principal import Access, Principal


async def access_of(store: RecordStore, principal: Principal, now: datetime) -> Access:
    """Return what `principal` may touch at `now` (aware)."""
    memberships = (
        await store.memberships(principal.tenant, principal.reference)
        if principal.reference
        else ()
    )
    return decide(principal, memberships, now)
