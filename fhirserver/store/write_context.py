"""What write transactions are made of, and the one way in which running them again helps."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.errors import Conflict
from fhirserver.kernel.ports import ChangeObserver
from fhirserver.store.audit_insertion import AuditInsertion
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.database import Pool


class Overtaken(Conflict):
    """A concurrent change won; running the same work anew is likely to succeed."""


async def nothing(_tenant: int) -> None:
    """Be told of a commit and do nothing."""


@dataclass(frozen=True, slots=True)
class WriteContext:
    """What every write transaction of a process shares. `committed` is told the tenant after a commit that changed one
    of `derived.CANONICALS`. Without `audit_rows` nothing is audited.
    """

    pool: Pool
    keys: DataKeys
    definitions_of: Callable[[int], Definitions]
    observer: ChangeObserver
    clock: Callable[[], datetime]
    committed: Callable[[int], Awaitable[None]] = nothing
    audit_rows: AuditInsertion | None = None
