"""Messages of interfaces as the record keeps them: once for each control id of a sender, with what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol
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
    """The row a `message` has or will have. `before` is None when it comes for the first time."""

    id: UUID
    bucket: int
    before: Before | None
    message: ComingMessage


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a claimed message, and how it came in.

    `patients` are the ids of those it is about, where that is known: whoever is destroyed takes the message along.
    """

    claim: Claim
    outcome: Outcome
    reason: str
    report: Json
    raw: bytes
    patients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmTold:
    """The newest message about an alarm of a machine, which a later answer is about.

    `sender` and `control_id` are those of the message, `filler` its OBR-3 as it was sent. `alarm` is the machine's
    alarm as `fhirserver.kernel.readings.DeviceEvent` names it.
    """

    device: str
    alarm: str
    sender: str
    control_id: str
    filler: str
    received: datetime


class Line(NamedTuple):
    """Where connections go: `side` is ``in`` and `place` our port, or ``out`` and the receiver's host and port."""

    tenant: int
    side: Literal["in", "out"]
    place: str


class HeldMessages(Protocol):
    """Where messages of interfaces are kept."""

    async def claim(self, tx: Transaction, coming: Sequence[ComingMessage]) -> Sequence[Claim]:
        """Return the rows of these messages, in order; those that are known are locked until commit.

        No two may have the same sender and control id. Of two transactions that claim the same new message, one commits
        and the other fails as `Overtaken`, and knows it when it is run again.
        """

    async def settle(self, tx: Transaction, settled: Sequence[Settled]) -> None:
        """Keep these and what became of them; each claim once. What is claimed and not settled is not kept."""

    async def remember(self, tx: Transaction, told: Sequence[AlarmTold]) -> None:
        """Keep which message told of an alarm last; of one alarm one at most."""

    async def dead_letter(self, tx: Transaction, letters: Sequence[DeadLetter]) -> None:
        """Keep what cannot be processed, sealed, with its reason."""

    async def forget(self, tx: Transaction, before: datetime) -> None:
        """Remove messages that were received before this moment."""


class AlertAnswers(Protocol):
    """What others say of alarms that they were told of over HL7 v2."""

    async def acknowledged(self, tx: Transaction, control_id: str, who: str) -> bool:
        """Note that `who` ("" for nobody named) acknowledged what the message `control_id` told of.

        Return False when no such message was sent.
        """
