"""AuditEvents as rows: content sealed under the tenant's key, search columns, and a leaf of the log, in one statement.

Under the tenant's key, because who looked at a record must outlive the key of the patient.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate, count
from struct import iter_unpack
from typing import Final, LiteralString
from uuid import UUID

from fhirserver.auditing.event import audit_event
from fhirserver.crypto import envelope
from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.audit import Happening
from fhirserver.store.audit_insertion import NOTHING, Insertion
from fhirserver.store.audit_line import receipt_of
from fhirserver.store.audit_template import (
    TYPE,
    Place,
    Row,
    Template,
    filled,
    row_of,
    shape_of,
    template_of,
)
from fhirserver.store.connection import Query
from fhirserver.store.data_keys import DataKeys

_INSERT: Final[LiteralString] = (
    "WITH made AS (INSERT INTO resource (type, bucket, tenant, id, version, patient, own, time, time_end, updated, "
    "keys_version, keys, key_id, content) SELECT %s::smallint, b, %s::int, i, 1, p, o, t, t + interval '1 ms', %s::timestamptz, "
    "%s::smallint, k::bigint[], %s::bigint, substring(%b::bytea from at for size) "
    "FROM unnest(%s::smallint[], %s::uuid[], %s::bigint[], %s::bigint[], %s::timestamptz[], "
    "%s::text[], %s::int[], %s::int[]) AS new(b, i, p, o, t, k, at, size)) "
    "INSERT INTO audit_pending (id, tenant, events, leaves, written, receipt) VALUES (%s, %s, %s::uuid[], %b, %s, %b)"
)
_TEMPLATES: Final = 4_096
# Random bits of row ids that are asked for at once.
_ROWS: Final = 64


class AuditRows:
    """Makes the statements that write happenings."""

    def __init__(self, base: str) -> None:
        """Events name the server by its FHIR base URL `base`."""
        self._base = base
        self._templates: dict[tuple[object, ...], Template] = {}

    async def insertion(
        self,
        data_keys: DataKeys,
        definitions: Definitions,
        tenant: int,
        now: datetime,
        happenings: Iterable[Happening],
    ) -> Insertion:
        """Return what writes `happenings` of `tenant` at `now`: one statement, none when there are none."""
        return await self.of_line(data_keys, definitions, tenant, now, happenings, None)

    async def of_line(
        self,
        data_keys: DataKeys,
        definitions: Definitions,
        tenant: int,
        now: datetime,
        happenings: Iterable[Happening],
        line: tuple[UUID, Sequence[UUID]] | None,
    ) -> Insertion:
        """Return what writes `happenings` with the receipt for the `line` they come from: its id, and whom it witnessed."""
        own = await data_keys.tenant(tenant)
        place = Place(own, definitions, now, _bits())
        rows = [
            self._row(place, one, patient)
            for one in happenings
            for patient in sorted(one.patients) or (None,)
        ]
        if not rows:
            return NOTHING
        leaves = b"".join([row.leaf for row in rows])
        receipt = b"" if line is None else receipt_of(own.blind, *line, leaves)
        key = await data_keys.of_patient(tenant, None)
        noise = secrets.token_bytes(envelope.NONCE_BYTES * len(rows))
        sealed = [
            envelope.seal(
                key.cipher,
                noise[at : at + envelope.NONCE_BYTES],
                envelope.resource_place(tenant, TYPE, row.row, 1, key.key_id),
                row.content,
            )
            for at, row in zip(count(0, envelope.NONCE_BYTES), rows, strict=False)
        ]
        sizes = [len(one) for one in sealed]
        events = _array([row.row for row in rows])
        made = Query(
            _INSERT,
            (
                definitions.type_number(TYPE),
                tenant,
                now,
                own.blind.version,
                key.key_id,
                b"".join(sealed),
                _array([str(row.bucket) for row in rows]),
                events,
                _array(["NULL" if row.patient is None else str(row.patient) for row in rows]),
                _array([str(row.own) for row in rows]),
                _array([row.at for row in rows]),
                _quoted([row.keys for row in rows]),
                _array(map(str, accumulate(sizes[:-1], initial=1))),
                _array(map(str, sizes)),
                UUID(rows[0].row),
                tenant,
                events,
                leaves,
                now,
                receipt,
            ),
        )
        return Insertion((made,))

    def _row(self, place: Place, happening: Happening, patient: str | None) -> Row:
        shape = shape_of(happening, patient)
        if shape is None:
            return row_of(place, happening, patient, audit_event(happening, patient, self._base))
        key = (place.tenant, place.blind.version, *shape)
        template = self._templates.get(key)
        if template is None:
            if len(self._templates) >= _TEMPLATES:
                del self._templates[next(iter(self._templates))]
            template = template_of(place, happening, patient, self._base)
            self._templates[key] = template
        return filled(place, template, happening, patient)


def _bits() -> Callable[[], int]:
    """Return what returns 64 random bits; many are taken from the system at once."""

    def pool() -> Iterator[int]:
        while True:
            for (bits,) in iter_unpack("Q", secrets.token_bytes(8 * _ROWS)):
                yield bits

    return pool().__next__


def _array(values: Iterable[str]) -> str:
    """Return an array literal of values that need no quotes."""
    return "{" + ",".join(values) + "}"


def _quoted(values: Iterable[str]) -> str:
    """Return an array literal of texts that are the insides of array literals, of numbers."""
    return '{"{' + '}","{'.join(values) + '}"}'
