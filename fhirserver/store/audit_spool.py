"""Happenings on their way to AuditEvents: committed at once as one sealed line, written out a moment later.

An AuditEvent costs more than the read it tells of: fifteen keys of the index, a kilobyte and a half of JSON. So a
transaction only leaves what happened, many happenings in one line; an expansion turns lines into AuditEvents, each
line in one transaction that also removes it. Nothing is lost or doubled in between, whoever dies.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, LiteralString
from uuid import UUID

from fhirserver.auditing.trail import patients_shown
from fhirserver.definitions.loader import Definitions
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.kernel import keys
from fhirserver.kernel.audit import Happening
from fhirserver.kernel.errors import Gone, NotFound
from fhirserver.kernel.principal import Access, Principal
from fhirserver.store.audit_insertion import Insertion
from fhirserver.store.audit_line import Line, Witness, decode_line, encode, line_purpose
from fhirserver.store.audit_rows import AuditRows
from fhirserver.store.connection import Query
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.opening import open_transaction
from fhirserver.store.read import Reader
from fhirserver.store.transaction import WriteTransaction
from fhirserver.store.write_context import WriteContext

_ADD: Final[LiteralString] = (
    "INSERT INTO audit_spool (id, tenant, sealed, events, written) VALUES (%s, %s, %b, %s, %s)"
)
_TENANTS: Final[LiteralString] = (
    "SELECT DISTINCT tenant FROM (SELECT tenant FROM audit_spool ORDER BY id LIMIT 1000) AS waiting"
)
_TAKE: Final[LiteralString] = (
    "SELECT id, sealed FROM audit_spool WHERE tenant = %s ORDER BY id LIMIT 1 OFFSET %s "
    "FOR UPDATE SKIP LOCKED"
)
_DONE: Final[LiteralString] = "DELETE FROM audit_spool WHERE id = %s"
# Objects of one line that are looked up because nobody said whose they are.
_LOOKED_UP: Final = 64


class AuditSpool:
    """Makes the statement that leaves happenings for later. One for each process: its lines witness each other."""

    def __init__(self) -> None:
        """Have written nothing yet."""
        self._witness = Witness()

    async def insertion(
        self,
        data_keys: DataKeys,
        definitions: Definitions,
        tenant: int,
        now: datetime,
        happenings: Iterable[Happening],
    ) -> Insertion:
        """Return what leaves `happenings` of `tenant` at `now`."""
        told, witnessed = list(happenings), self._witness.taken()
        line = keys.row_id(keys.unix_ms(now), 0, secrets.randbits(64))
        content = encode(Line(told, witnessed))
        sealed = await data_keys.seal(tenant, None, line_purpose(line), content)
        made = Query(_ADD, (line, tenant, sealed, len(told), now))
        return Insertion((made,), partial(self._witness.settled, line, witnessed))


class _OfLine:
    """Writes the events of one line, with the receipt for it."""

    def __init__(self, rows: AuditRows) -> None:
        self._rows = rows
        self.line: tuple[UUID, Sequence[UUID]] | None = None

    async def insertion(
        self,
        data_keys: DataKeys,
        definitions: Definitions,
        tenant: int,
        now: datetime,
        happenings: Iterable[Happening],
    ) -> Insertion:
        return await self._rows.of_line(data_keys, definitions, tenant, now, happenings, self.line)


class AuditExpansion:
    """Turns lines into AuditEvents, as the worker's role."""

    def __init__(self, context: WriteContext, reader: Reader, rows: AuditRows) -> None:
        """Write through `context`, in whose transactions events become `rows`; look up patients with `reader`."""
        self._context = context
        self._rows = rows
        self._reader = reader

    async def tenants(self) -> Sequence[int]:
        """Return the tenants of the lines that wait longest."""
        async with self._context.pool.connection() as connection:
            return [row[0] for row in await connection.rows(_TENANTS)]

    async def one(self, tenant: int, behind: int = 0) -> int | None:
        """Expand the oldest line of `tenant`, but for `behind` still older ones; return how many happenings it held.

        None when there is none.
        """
        rows = _OfLine(self._rows)
        context = replace(self._context, audit_rows=rows)
        async with open_transaction(context, tenant, WriteTransaction) as tx:
            found = await tx.execute(_TAKE, (tenant, behind))
            if not found:
                return None
            line, sealed = found[0]
            told = decode_line(await tx.unseal(None, line_purpose(line), bytes(sealed)))
            rows.line = line, told.witnessed
            tx.audit(*await resolved(self._reader, tenant, told.happenings))
            tx.execute_later(_DONE, (line,))
        return len(told.happenings)


async def resolved(reader: Reader, tenant: int, happenings: Sequence[Happening]) -> list[Happening]:
    """Return `happenings` with the patients of their objects, where these are all they say."""
    found, left = [], _LOOKED_UP
    for one in happenings:
        if one.patients or len(one.objects) != 1 or not left or not _may_name(one.objects[0]):
            found.append(one)
            continue
        left -= 1
        patients = await _patients(reader, tenant, one.objects[0])
        found.append(replace(one, patients=patients) if patients else one)
    return found


async def _patients(reader: Reader, tenant: int, reference: str) -> frozenset[str]:
    type_, id_ = reference.split("/")[:2]
    access = Access(Principal(tenant, "system", ""), everything=True)
    try:
        stored = await reader.read(access, type_, id_)
    except (NotFound, Gone):
        return frozenset()
    return patients_shown((stored,))


def _may_name(reference: str) -> bool:
    return bool(belongs_to(reference.partition("/")[0]).paths)
