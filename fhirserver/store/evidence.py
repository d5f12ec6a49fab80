"""What the Flags of a tenant protect, read from the record, in the form SQL can ask with.

A Flag that names a patient protects readings of that patient; one that is about something else
protects, in its time, readings of anybody. Observations a Flag names are protected whenever they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.crypto import envelope
from fhirserver.definitions import Definitions
from fhirserver.kernel import canonical, keys
from fhirserver.kernel.evidence import ALWAYS, Incident, incident
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.search.period import as_datetime, parse_span
from fhirserver.store.data_keys import DataKeys
from fhirserver.wire import fhir_json

_PAGE: Final = 500
# No write transaction is as long as this: Flags written before are all seen by the reading that follows.
_LOOK_BACK: Final = timedelta(minutes=5)

_FLAGS: Final[LiteralString] = (
    "SELECT id, coalesce(fhir_id, id::text), version, key_id, content, patient FROM resource "
    "WHERE type = %s AND tenant = %s AND NOT deleted AND id > %s ORDER BY id LIMIT %s"
)
_THESE: Final[LiteralString] = (
    "SELECT id, coalesce(fhir_id, id::text), version, key_id, content, patient FROM resource "
    "WHERE type = %s AND tenant = %s AND NOT deleted AND id = ANY (%s)"
)
_RECENT: Final[LiteralString] = (
    "SELECT id, version FROM resource WHERE type = %s AND tenant = %s AND updated >= %s"
)
_LOCATED: Final[LiteralString] = (
    "SELECT id FROM resource_location WHERE tenant = %s AND type = %s AND fhir_id = ANY (%s)"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The incidents of a tenant, the Observation rows Flags name, and the Flags written since `since`."""

    incidents: tuple[Incident, ...]
    rows: tuple[UUID, ...]
    since: datetime
    recent: frozenset[tuple[UUID, int]] = field(repr=False)

    def plus(self, other: "Evidence") -> "Evidence":
        """Return what this and `other`, which was read later, protect together."""
        return Evidence(
            (*self.incidents, *other.incidents),
            (*self.rows, *other.rows),
            self.since,
            other.recent,
        )

    def columns(self) -> tuple[list[int | None], list[datetime], list[datetime]]:
        """Return the incidents as three columns: patient keys, since, until."""
        return (
            [one.patient for one in self.incidents],
            [one.since for one in self.incidents],
            [one.until for one in self.incidents],
        )


NOTHING: Final = Evidence((), (), ALWAYS, frozenset())


async def evidence_of(tx: Transaction, data_keys: DataKeys, definitions: Definitions) -> Evidence:
    """Return what the Flags of the tenant of `tx` protect."""
    number = definitions.type_number("Flag")
    since = tx.now - _LOOK_BACK
    recent = frozenset(
        (row[0], row[1]) for row in await tx.execute(_RECENT, (number, tx.tenant, since))
    )
    gathered = _Gathered()
    last = UUID(int=0)
    while True:
        rows = await tx.execute(_FLAGS, (number, tx.tenant, last, _PAGE))
        for row in rows:
            await gathered.add(tx.tenant, data_keys, row)
        if len(rows) < _PAGE:
            return await gathered.evidence(tx, definitions, since, recent)
        last = rows[-1][0]


class _Gathered:
    """What the Flags looked at so far protect."""

    def __init__(self) -> None:
        self._incidents: set[Incident] = set()
        self._named: set[str] = set()

    async def add(self, tenant: int, data_keys: DataKeys, row: Sequence[Any]) -> None:
        """Add a Flag's row."""
        try:
            flag = await _opened(tenant, data_keys, row)
        except envelope.Tampered:
            # Nobody can read what it is about any more: it protects the patient's readings of all times.
            self._incidents.add(incident(row[5], None, None))
            return
        self._incidents.add(_incident(flag, row[5]))
        self._named.update(_named(flag))

    async def evidence(
        self,
        tx: Transaction,
        definitions: Definitions,
        since: datetime,
        recent: frozenset[tuple[UUID, int]],
    ) -> Evidence:
        """Return all of it."""
        rows = await _rows(tx, definitions, self._named)
        return Evidence(tuple(self._incidents), tuple(rows), since, recent)


async def evidence_since(
    tx: Transaction, data_keys: DataKeys, definitions: Definitions, known: Evidence
) -> Evidence:
    """Return what Flags protect that were written since `known` was read, as `tx` sees them now.

    `known.plus` of it protects at least as much as all Flags do.
    """
    number = definitions.type_number("Flag")
    found = await tx.execute(_RECENT, (number, tx.tenant, known.since))
    recent = frozenset((row[0], row[1]) for row in found)
    changed = [row for row, _ in recent - known.recent]
    gathered = _Gathered()
    if changed:
        for row in await tx.execute(_THESE, (number, tx.tenant, changed)):
            await gathered.add(tx.tenant, data_keys, row)
    return await gathered.evidence(tx, definitions, known.since, recent)


async def _opened(tenant: int, data_keys: DataKeys, row: Sequence[Any]) -> Json:
    _, fhir_id, version, key_id, content, _ = row
    key = await data_keys.by_id(tenant, key_id)
    place = envelope.resource_place(tenant, "Flag", fhir_id, version, key_id)
    return fhir_json.read_own(envelope.unseal(key.cipher, place, bytes(content)))


def _incident(flag: Json, patient: int | None) -> Incident:
    period = flag.get("period", {})
    start = as_datetime(parse_span(period["start"])[0]) if "start" in period else None
    end = as_datetime(parse_span(period["end"])[1]) if "end" in period else None
    return incident(patient, start, end)


def _named(flag: Json) -> list[str]:
    """Return the ids of the Observations a Flag names as its detail."""
    references = (
        one.get("valueReference", {}).get("reference", "")
        for one in flag.get("extension", ())
        if one.get("url") == canonical.FLAG_DETAIL
    )
    return [
        one.removeprefix("Observation/").partition("/")[0]
        for one in references
        if one.startswith("Observation/")
    ]


async def _rows(tx: Transaction, definitions: Definitions, named: set[str]) -> list[UUID]:
    rows = [row for row in map(keys.row_of, named) if row is not None]
    if named:
        number = definitions.type_number("Observation")
        found = await tx.execute(_LOCATED, (tx.tenant, number, sorted(named)))
        rows += [row[0] for row in found]
    return rows
