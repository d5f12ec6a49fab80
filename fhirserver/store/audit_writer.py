"""Writes happenings that were told outside of a transaction, many in one."""

from collections.abc import Sequence
from typing import Final

from fhirserver.kernel.audit import Happening
from fhirserver.store.opening import open_transaction
from fhirserver.store.transaction import WriteTransaction
from fhirserver.store.write_context import WriteContext

_UNSTATED: Final = 0


class AuditWriter:
    """Writes as the role that may only add to the audit."""

    def __init__(self, context: WriteContext, first_tenant: int) -> None:
        """What happened in no tenant (nobody was recognised) is written down in `first_tenant`."""
        self._context = context
        self._first_tenant = first_tenant

    async def write(self, tenant: int, happenings: Sequence[Happening]) -> None:
        """Commit `happenings`. Raises `Unavailable`: nothing was written."""
        number = tenant if tenant != _UNSTATED else self._first_tenant
        async with open_transaction(self._context, number, WriteTransaction) as tx:
            tx.audit(*happenings)
