"""Messages of interfaces as the record keeps them: once for each control id of a sender, with what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import DeadLetter

# ``partly``: taken, but for measures that could not be read.
Outcome = Literal["accepted", "partly", "refused"]


@dataclass(frozen=True, slots=True)
class ComingMessage:
    """A message that asks to be taken. `sender` and `control_id` name it for ever; `kind` is ``ORU^R01``."""

    sender: str
    control_id: str
    kind: str
    raw: bytes
    received: datetime


@dataclass(frozen=True, slots=True)
class Before:
    """What became of the message when it came before, and how it read then."""

    outcome: Outcome
    reason: str
    raw: bytes
    report: Json


@dataclass(frozen=True, slots=True)
class Claim:
    """The row of a message, held until commit. `before` is None when it comes for the first time."""

    id: UUID
    bucket: int
    before: Before | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a claimed message. `raw` replaces what is kept of it where it is given."""

    claim: Claim
    outcome: Outcome
    reason: str
    report: Json
    raw: bytes | None = None


class HeldMessages(Protocol):
    """Where messages of interfaces are kept."""

    async def claim(self, tx: Transaction, coming: Sequence[ComingMessage]) -> Sequence[Claim]:
        """Return the rows of these messages, in order; whoever claims one of them too waits for the commit.

        New rows say ``accepted`` unless `settle` says otherwise. No two may have the same sender and control id.
        """

    async def settle(self, tx: Transaction, settled: Sequence[Settled]) -> None:
        """Keep what became of these."""

    async def dead_letter(self, tx: Transaction, letters: Sequence[DeadLetter]) -> None:
        """Keep what cannot be processed, sealed, with its reason."""

    async def forget(self, tx: Transaction, before: datetime) -> None:
        """Remove messages that were received before this moment."""
