"""What hangs on keys and on patients beside the record: the shapes of the reviewed lists of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

# What becomes of an envelope when its patient is shredded: the row is deleted; or it is kept, sealed anew with the
# tenant's key; or the row is kept and says nothing any more. "tenant": it never hangs on a patient's key.
Fate = Literal["goes", "stays", "emptied", "tenant"]


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of envelopes of `table`.

    `key` are the columns that name a row beside the tenant. `purpose` is the text the envelope was sealed for, with
    columns of the key in braces. `patient` is SQL over the row ``t``: the id of the patient whose key it is sealed with
    (empty or null: the tenant's), None where that is always the tenant's.
    """

    table: LiteralString
    column: LiteralString
    key: tuple[LiteralString, ...]
    purpose: str
    patient: LiteralString | None = None
    fate: Fate = "tenant"

    def place(self, row: Mapping[str, Any]) -> tuple[str | None, str]:
        """Return whose key and which purpose the envelope in `row` (its key, and `patient`) was sealed with."""
        told = {
            name: bytes(value).hex() if isinstance(value, bytes | memoryview) else value
            for name, value in row.items()
        }
        return told["patient"] or None, self.purpose.format_map(told)


@dataclass(frozen=True, slots=True)
class PatientRows:
    """A table whose `column` holds the id of a patient: its rows go with the patient, or (`cleared`) name nobody.

    `listed`: the column holds the ids of several.
    """

    table: LiteralString
    column: LiteralString = "patient"
    cleared: bool = False
    listed: bool = False
