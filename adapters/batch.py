"""A batch of messages while it is worked on: what came, what is known of it, and what comes of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from adapters import streams
from adapters.faults import BatchFaults
from adapters.metrics import Metric
from adapters.mqtt import messages
from adapters.mqtt.messages import Message, Rejected, Topic
from adapters.streams import Acknowledgement
from fhirserver.kernel.readings import Contact, DeviceEvent, Mode
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import (
    DeadLetter,
    EnrolledDevice,
    ObservationRow,
    StreamKey,
    StreamState,
)

DOOR: Final = "mqtt"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it came in at a door, and when the server received it.

    `replayed`: it was set aside then, and is processed now; it says nothing about whether its device can be heard.
    """

    topic: Topic
    payload: bytes
    received: datetime
    door: str = DOOR
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a committed batch did: answers for the devices and figures for the metrics."""

    acknowledgements: tuple[Acknowledgement, ...]
    observations: int
    duplicates: int
    dead_letters: Mapping[str, int]


class Made(NamedTuple):
    """An Observation that came of a message; `patient` is None when the device was unbound."""

    incoming: Incoming
    id: str
    patient: str | None


@dataclass(slots=True)
class Draft:
    """A row to be stored together with the readings that come of it."""

    row: ObservationRow
    metrics: tuple[tuple[Metric, Decimal], ...]
    device: EnrolledDevice
    patient: str | None
    moment: "Moment"
    incoming: Incoming


@dataclass(slots=True)
class Batch:
    """Streams, devices and births as they are known, and what is to be stored, told and answered.

    `made` are the Observations that came of the messages.
    """

    states: Mapping[StreamKey, StreamState]
    devices: Mapping[str, EnrolledDevice]
    births: dict[tuple[str, str], Json]
    last_births: dict[str, Json]
    faults: BatchFaults
    drafts: list[Draft] = field(default_factory=list)
    events: list[DeviceEvent] = field(default_factory=list)
    contacts: dict[str, list[Contact]] = field(default_factory=lambda: defaultdict(list))
    letters: list[DeadLetter] = field(default_factory=list)
    rejected: dict[StreamKey, list[int]] = field(default_factory=lambda: defaultdict(list))
    made: list[Made] = field(default_factory=list)
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """When a sample was taken, how old it was on receipt (s), and in which mode and treatment of the machine."""

    at: datetime
    age: float
    mode: Mode | None
    received: datetime
    simulated: bool
    therapy: str | None


def stream_of(incoming: Incoming, message: Message | Rejected) -> StreamKey | None:
    """Return the stream a message belongs to; births and status have none, nor has what cannot be read.

    What is not numbered has a stream too: its lock puts the evaluation of one device's messages in order.
    """
    boot = getattr(message, "boot", None)
    if incoming.topic.kind not in ("tel", "evt") or boot is None:
        return None
    if isinstance(message, Rejected) and message.seq is None:
        return None
    return StreamKey(incoming.topic.address, boot, incoming.topic.kind)


def reason_of(message: Message | Rejected) -> str:
    """Return why a message is refused."""
    return message.reason if isinstance(message, Rejected) else messages.MALFORMED


def letter_of(incoming: Incoming, reason: str, parts: Iterable[str] = ()) -> DeadLetter:
    """Return the dead letter of a message, or of those `parts` (codes of measures) of it."""
    topic = incoming.topic
    return DeadLetter(
        incoming.door, topic.address, reason, incoming.payload, topic.kind, tuple(sorted(parts))
    )


def refuse(
    state: Batch,
    incoming: Incoming,
    reason: str,
    key: StreamKey | None,
    number: int | None,
    parts: Iterable[str] = (),
) -> None:
    """Set a message, or `parts` of it, aside with its `reason`; the number of its stream counts as received."""
    state.letters.append(letter_of(incoming, reason, parts))
    if incoming.replayed:
        return
    known = state.devices.get(incoming.topic.address)
    state.faults.refused(known, incoming.topic.address, incoming.topic.kind, incoming.received)
    if key is not None and number is not None:
        state.rejected[key].append(number)


def outcome_of(state: Batch) -> Outcome:
    """Return what is answered when `state` is committed."""
    reasons: dict[str, int] = defaultdict(int)
    for letter in state.letters:
        reasons[letter.reason] += 1
    acknowledgements = tuple(
        streams.acknowledge(
            key.address, key.boot, key.kind, one.committed, state.rejected.get(key, ())
        )
        for key, one in state.states.items()
    )
    return Outcome(acknowledgements, len(state.drafts), state.duplicates, dict(reasons))
