"""What a transaction needs in order to write happenings down: as AuditEvents, or as a line for later."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.audit import Happening
from fhirserver.store.connection import Query
from fhirserver.store.data_keys import DataKeys


def _unnoticed(*, committed: bool) -> None:
    """Take no notice."""


class Settled(Protocol):
    """Is told how the transaction ended."""

    def __call__(self, *, committed: bool) -> None:
        """Learn whether it is known to be committed."""


@dataclass(frozen=True, slots=True)
class Insertion:
    """Statements, and who is to be told how the transaction ended that ran them."""

    queries: Sequence[Query] = ()
    settled: Settled = _unnoticed


NOTHING: Final = Insertion()


class AuditInsertion(Protocol):
    """Makes statements; `audit_rows.AuditRows` and `audit_spool.AuditSpool` are such."""

    async def insertion(
        self,
        data_keys: DataKeys,
        definitions: Definitions,
        tenant: int,
        now: datetime,
        happenings: Iterable[Happening],
    ) -> Insertion:
        """Return what writes `happenings` of `tenant` at `now`."""


class Told:
    """The happenings of one transaction."""

    def __init__(self, rows: AuditInsertion | None) -> None:
        """Have `rows` write them down, None: nobody."""
        self._rows = rows
        self.happenings: list[Happening] = []
        self._settled: Settled = _unnoticed

    async def queries(
        self, data_keys: DataKeys, definitions: Definitions, tenant: int, now: datetime
    ) -> Sequence[Query]:
        """Return what writes them, each once, in the block of `settled`."""
        happenings, self.happenings = self.happenings, []
        if self._rows is None or not happenings:
            return ()
        made = await self._rows.insertion(data_keys, definitions, tenant, now, happenings)
        self._settled = made.settled
        return made.queries

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Tell whoever made the statements whether the block, which commits them, did."""
        committed = False
        try:
            yield
            committed = True
        finally:
            self._settled(committed=committed)
