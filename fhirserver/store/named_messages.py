"""Messages as they came in that are kept under the tenant's key and name a patient: they go before the patient does.

What an interface said of one patient is sealed with that patient's key. What was refused, or could not be read at all,
belongs to nobody: it is found by what the patient is called in it (identifiers, also former ones), and by the machine that
was in use for the patient when it came.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.kernel.jobs import Running
from fhirserver.kernel.ports import Transaction
from fhirserver.wire import fhir_json

BATCH: Final = 200
# Segments of HL7 v2 that say who somebody is; anywhere else a short identifier may be just a number.
_WHO: Final = (b"PID", b"MRG")
_TELLING: Final = 4
_FIRST: Final = UUID(int=0)

_TABLES: Final[tuple[tuple[LiteralString, str, LiteralString], ...]] = (
    ("hl7_message", "hl7-message|{}", " AND r.patient IS NULL"),
    ("dead_letter", "dead-letter|{}", ""),
)
_DEVICES: Final[LiteralString] = (
    "SELECT e.address, b.starts, b.ends FROM device_binding b JOIN device_enrollment e "
    "ON e.tenant = b.tenant AND e.device = b.device WHERE b.tenant = %s AND b.patient = %s"
)


@dataclass(frozen=True, slots=True)
class InUse:
    """The address of a device, and from when until when (exclusive) it was in use; None is open."""

    address: str
    starts: datetime | None
    ends: datetime | None

    def covers(self, moment: datetime) -> bool:
        """Return whether it was in use at `moment`."""
        return (self.starts is None or self.starts <= moment) and (
            self.ends is None or moment < self.ends
        )


@dataclass(frozen=True, slots=True)
class Sought:
    """What a patient is called in messages: identifiers, and the machines that speak of nobody else."""

    identifiers: Collection[str]
    devices: Sequence[InUse]

    def is_named(self, raw: bytes, received: datetime, source: str = "") -> bool:
        """Return whether a message that was `received` then names the patient. `source`: who sent it."""
        telling = [one for one in self.identifiers if len(one) >= _TELLING]
        addresses = [one.address for one in self.devices if one.covers(received)]
        if source in addresses or _stands_in(raw, [*telling, *addresses]):
            return True
        who = [one for one in re.split(rb"[\r\n]+", raw) if one[:3] in _WHO]
        return any(_stands_in(one, self.identifiers) for one in who)


async def sought(tx: Transaction, patient: str) -> Sought:
    """Return what `patient` is and was called."""
    stored = await tx.get_stored("Patient", patient)
    earlier = frozenset() if stored is None else frozenset(range(1, stored.version))
    found = await tx.versions({("Patient", patient): earlier})
    versions = [
        fhir_json.read(one.content)
        for several in found.values()
        for one in several
        if not one.deleted
    ]
    identifiers = {
        str(value)
        for version in versions
        for one in version.get("identifier", ())
        if (value := one.get("value"))
    }
    rows = await tx.execute(_DEVICES, (tx.tenant, patient))
    return Sought(identifiers, [InUse(*row) for row in rows])


async def remove(tx: Transaction, job: Running, names: Sought, at: "Place") -> "Place | None":
    """Remove the next messages that name a patient, some at a time; return where to go on, None at the end."""
    await job.require_claim(tx)
    table, purpose, more = _TABLES[at.table]
    source: LiteralString = "r.source" if table == "dead_letter" else "''"
    rows = await tx.execute(
        "SELECT r.bucket, r.id, r.received, r.raw, " + source + " FROM " + table + " r WHERE r.tenant = %s "
        "AND (r.bucket, r.id) > (%s, %s)" + more + " ORDER BY r.bucket, r.id LIMIT %s",
        (tx.tenant, at.bucket, at.id, BATCH),
    )  # fmt: skip
    gone: list[tuple[Any, Any]] = []
    for bucket, id_, received, raw, by in rows:
        opened = await tx.unseal(None, purpose.format(id_), raw)
        if names.is_named(opened, received, by):
            gone.append((bucket, id_))
    if gone:
        buckets, ids = [one[0] for one in gone], [one[1] for one in gone]
        await tx.execute(
            "DELETE FROM " + table + " r USING unnest(%s::smallint[], %s::uuid[]) AS g(b, i) "
            "WHERE r.bucket = g.b AND r.tenant = %s AND r.id = g.i",
            (buckets, ids, tx.tenant),
        )
    if len(rows) == BATCH:
        return Place(at.table, rows[-1][0], rows[-1][1])
    return Place(at.table + 1) if at.table + 1 < len(_TABLES) else None


@dataclass(frozen=True, slots=True)
class Place:
    """Behind which row of which table to go on."""

    table: int = 0
    bucket: int = -1
    id: UUID = _FIRST


def _stands_in(raw: bytes, words: Collection[str]) -> bool:
    """Return whether one of `words` stands in `raw`, not as part of a longer one."""
    written = {one.encode(set_, "replace") for one in words for set_ in ("utf-8", "cp1252") if one}
    if not written:
        return False
    either = b"|".join(re.escape(one) for one in sorted(written))
    found = re.search(rb"(?<![0-9A-Za-z])(?:" + either + rb")(?![0-9A-Za-z])", raw, re.IGNORECASE)
    return found is not None
