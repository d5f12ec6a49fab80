"""Resources as the store hands them out, and the JSON shapes they are made of."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# FHIR JSON as `fhirserver.wire.fhir_json.read` returns it: numbers with a fraction are Decimal, never float.
Json = dict[str, Any]

# Types whose resources stay as they were written: nobody changes or deletes one.
WRITTEN_ONCE = frozenset({"AuditEvent"})


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one resource. `content` is its canonical JSON with id and meta, empty for a tombstone.

    `whose` is kept by `fhirserver.definitions.patients_in.patients_named`: access and audit both ask it of every version.
    """

    type: str
    id: str
    version: int
    last_updated: datetime
    deleted: bool
    content: bytes
    whose: frozenset[str] | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def reference(self) -> str:
        """Return the relative reference, such as ``Patient/ann``."""
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Page:
    """Matches in order. `cursor` opens the next page and is None on the last one."""

    entries: tuple[Stored, ...]
    cursor: str | None
