"""The jobs that change keys: rotation and what it leaves, re-keying and spreading of the index, shredding."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.hanging import PatientRows, SealedColumn
from fhirserver.kernel.jobs import JobWork
from fhirserver.kernel.ports import Transactions
from fhirserver.store import (
    key_retirement,
    patient_rows,
    rekeying,
    rotation,
    sealed_columns,
    shredding,
    spreading,
)
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.frequencies import Counting


@dataclass(frozen=True, slots=True)
class Hanging:
    """What hangs on keys and patients beside the record: `columns` of envelopes, and `rows` that name patients.

    `settled_seconds` is how long it takes until every process knows of a change.
    """

    columns: Sequence[SealedColumn] = sealed_columns.SEALED
    rows: Sequence[PatientRows] = patient_rows.PATIENT_ROWS
    settled_seconds: float = rotation.SETTLED_SECONDS


def key_works(
    transactions: Transactions,
    keys: DataKeys,
    definitions_of: Callable[[int], Definitions],
    reindex: JobWork,
    hanging: Hanging,
) -> Mapping[str, JobWork]:
    """Return the works by kind."""
    seconds = hanging.settled_seconds
    counting = Counting(transactions, keys, definitions_of)
    return {
        key_retirement.KIND: key_retirement.Retirement(transactions, hanging.columns),
        rekeying.KIND: rekeying.Rekeying(
            transactions, keys, counting, reindex, settled_seconds=seconds
        ),
        spreading.KIND: spreading.Spreading(
            transactions, keys, definitions_of, counting, reindex, settled_seconds=seconds
        ),
        rotation.KIND: rotation.Rotation(
            transactions, keys, hanging.columns, settled_seconds=seconds
        ),
        shredding.KIND: shredding.Shredding(
            transactions, keys, hanging.columns, hanging.rows, settled_seconds=seconds
        ),
    }
