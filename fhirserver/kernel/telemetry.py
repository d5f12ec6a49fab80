"""Device readings on their way into the record: prepared Observations whose numbers are filled in per message.

What Observations of many devices have in common, a form, is validated and indexed once; who measured whom is filled in
for each device, which makes a template; each message substitutes id, times and numbers. What is stored is an ordinary
Observation, readable and searchable like any other.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json

# Stand-ins inside a template's resource; `{n}` of VALUE is the position in `ObservationRow.values`.
EFFECTIVE_MARK = "2000-01-01T00:00:00.000Z"
# The id of whatever every device has of its own: itself, its patient, their treatment.
OWN_MARK = "00000000-0000-4000-8000-000000000000"


def value_mark(position: int) -> Decimal:
    """Return the number that stands for the value at `position` (0..8) while a template is prepared."""
    return Decimal(f"8888888.88888{position}")


def treatment_id(device: str, patient: str, therapy: str) -> str:
    """Return the id of the Procedure of a treatment, the same for whoever hears of it first.

    `therapy` is the machine's own name of the treatment, or whatever else tells it from its others.
    """
    text = f"{device}\x1f{patient}\x1f{therapy}"
    return "treatment-" + blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class StreamKey:
    """One numbered stream of messages of one device: `seq` counts per boot and kind (``tel`` or ``evt``)."""

    address: str
    boot: str
    kind: str


@dataclass(slots=True)
class StreamState:
    """What is committed of a stream: closed ranges of `seq`, ascending and apart. `clock_offset_ms` is the smallest
    (server receipt - device monotonic clock) seen, the delay-free offset between the two; None before the first.
    """

    committed: list[tuple[int, int]]
    clock_offset_ms: int | None


@dataclass(frozen=True, slots=True)
class Binding:
    """A device and the patient it is in use for, over [starts, ends)."""

    patient: str
    starts: datetime | None
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class EnrolledDevice:
    """A device that may speak: its Device resource, its bindings, and the addresses it speaks for as a gateway."""

    address: str
    device: str
    bindings: tuple[Binding, ...]
    behind: tuple[str, ...] = ()

    def patient_at(self, moment: datetime) -> str | None:
        """Return the patient whose binding covers `moment`, None when no binding does."""
        for binding in self.bindings:
            if (binding.starts is None or binding.starts <= moment) and (
                binding.ends is None or moment < binding.ends
            ):
                return binding.patient
        return None


@dataclass(frozen=True, slots=True, eq=False)
class ObservationForm:
    """What Observations of many devices have in common; there is one of each.

    `resource` has `EFFECTIVE_MARK` for the time, `values` value marks, and `marks` for references that differ: each is a
    whole reference to an id that begins with `OWN_MARK`.
    """

    resource: Json
    values: int
    marks: tuple[str, ...] = ()


class ObservationRow(NamedTuple):
    """One Observation to store. `template` is what `TelemetryTransaction.prepare` returned, `values` are number texts
    exactly as they shall stand in JSON.
    """

    template: Any
    effective: datetime
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message, or part of one, that cannot be processed. `source` names the sender, never a patient.

    `kind` is what the message was, as its door says it; `parts` the measures refused, where others of it were taken.
    """

    door: str
    source: str
    reason: str
    raw: bytes
    kind: str = ""
    parts: tuple[str, ...] = ()


class TelemetryTransaction(Transaction, Protocol):
    """A write transaction that also takes device streams."""

    async def streams(self, wanted: Iterable[StreamKey]) -> Mapping[StreamKey, StreamState]:
        """Lock the streams in order and return their state; unknown ones are made, empty."""

    async def devices(self, addresses: Iterable[str]) -> Mapping[str, EnrolledDevice]:
        """Return the enrolled devices among `addresses`."""

    async def births(self, streams: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Json]:
        """Return the birth messages of (address, boot) pairs that are known."""

    def save_births(self, births: Mapping[tuple[str, str], Json]) -> None:
        """Keep birth messages by (address, boot); the newest of a boot stands."""

    async def last_births(self, addresses: Iterable[str]) -> Mapping[str, Json]:
        """Return the newest birth message of each device that was ever born, of whatever boot."""

    async def is_simulator(self, address: str) -> bool:
        """Return whether the device's newest birth said that it is a simulator."""

    async def save_streams(self, streams: Mapping[StreamKey, StreamState]) -> None:
        """Write back what is committed now."""

    def prepared(self, key: Hashable) -> Any | None:
        """Return the template that `prepare` made for `key` before, None when this process has none (any more)."""

    async def prepare(
        self,
        key: Hashable,
        form: ObservationForm,
        patient: str | None,
        references: Sequence[str] = (),
    ) -> Any:
        """Return the template of `form` with these `references` in the place of its marks; `prepared` has it then.

        Raises `Unprocessable` with every problem of an Observation that is not valid.
        """

    async def expect(self, patients: Iterable[str]) -> None:
        """Fetch what writing about `patients` takes, all at once. Raises `Gone` when one of them was shredded."""

    async def copy_observations(self, rows: Sequence[ObservationRow]) -> Sequence[str]:
        """Store the rows by COPY and return their ids in order."""

    async def record_fault(self, stream: StreamKey, fault: str, lo: int, hi: int) -> None:
        """Record a gap in a stream (numbers lo..hi missing) or a clock fault (skew in ms as lo); once each."""

    async def mend_gaps(self, stream: StreamKey, committed: Sequence[tuple[int, int]]) -> None:
        """Mark recorded gaps that have since been filled."""

    async def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Keep what cannot be processed, sealed, with its reason."""


class TelemetryStore(Protocol):
    """Where ingest commits."""

    def telemetry(self, tenant: int) -> AbstractAsyncContextManager[TelemetryTransaction]:
        """Open a transaction for a batch of one tenant's messages."""

    async def tenant_number(self, name: str) -> int | None:
        """Return the number of the tenant called `name`, None when there is none."""

    async def hold_ingest(self, partition: int, holder: str) -> bool:
        """Take or renew the lease (3 s) on an ingest partition; return whether `holder` has it."""

    async def release_ingest(self, partition: int, holder: str) -> None:
        """Give the lease up, so that a successor need not wait."""
