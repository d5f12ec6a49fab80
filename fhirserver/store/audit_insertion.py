"""What a transaction needs in order to write happenings down: as AuditEvents, or as a line for later."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.audit import Happening
from fhirserver.store.connection import Query
from fhirserver.store.data_keys import DataKeys


class AuditInsertion(Protocol):
    """Makes statements; `audit_rows.AuditRows` and `audit_spool.AuditSpool` are such."""

    async def insertion(
        self,
        data_keys: DataKeys,
        definitions: Definitions,
        tenant: int,
        now: datetime,
        happenings: Iterable[Happening],
    ) -> Sequence[Query]:
        """Return what writes `happenings` of `tenant` at `now`."""
