"""From bytes of a topic to typed messages, or to a reason why not. Pure.

Nothing here judges a value; it only says whether the message means what its schema promises. A number keeps the digits
it was sent with. What is absent stays absent, and ``null`` is neither zero nor absent: it is a statement that there is
no value, valid only when the message says why (`q`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, get_args

import msgspec

from fhirserver.kernel.readings import Mode

Kind = Literal["birth", "status", "tel", "evt"]

MALFORMED: Final = "malformed"
NOT_A_NUMBER: Final = "not-a-number"
NULL_VALUE: Final = "null-value"
UNKNOWN_METRIC: Final = "unknown-metric"
UNKNOWN_DEVICE: Final = "unknown-device"
WRONG_UNIT: Final = "wrong-unit"
WRONG_DEVICE: Final = "wrong-device"

_MODES: Final = frozenset(get_args(Mode))
_MAX_BYTES: Final = 256 * 1024
_MAX_SAMPLES: Final = 2048
_MAX_SESSION: Final = 128
_SEQ: Final = re.compile(rb'"seq"\s*:\s*(\d{1,15})')
_BOOT: Final = re.compile(rb'"boot"\s*:\s*"([^"\\]{1,64})"')
_NAN: Final = re.compile(rb"[:\[,]\s*-?(?:NaN|Infinity)\b")


@dataclass(frozen=True, slots=True)
class Topic:
    """Where a message was published: by which device of which tenant, of which kind."""

    tenant: str
    address: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of one moment, `offset_ms` (0 or negative) from the message's clocks. A value None was sent as null."""

    offset_ms: int
    values: dict[str, Decimal | int | None]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a device measured: a ``hd.tel/1`` message, or what an interface said of the same.

    `seq` is None where messages are not numbered. `quality`: why a value is None, by code; `flags`: what else is said of
    a value, codes of HL7's measurement-status. `believed`: the device's wall clock is, so what it says is old is old.
    """

    address: str
    boot: str
    seq: int | None
    dev_time: datetime | None
    mono_ms: int | None
    mode: Mode | None
    test: bool
    samples: tuple[Sample, ...]
    quality: dict[str, str]
    units: dict[str, str]
    session: str | None = None
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    believed: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A ``hd.evt/1`` message or what an interface said of the same: one alarm facet, IHE PCD-04 shaped.

    `seq` and `believed` are those of `Telemetry`.
    """

    address: str
    boot: str
    seq: int | None
    alarm_id: str
    dev_time: datetime | None
    mono_ms: int | None
    event: str
    source: str | None
    phase: Literal["start", "continue", "end"]
    state: Literal["off", "inactive", "active", "latched"]
    activity: str
    priority: str
    value: Decimal | int | None
    unit: str | None
    test: bool
    believed: bool = False


@dataclass(frozen=True, slots=True)
class Birth:
    """A ``hd.birth/1`` message: who the device is, which metrics it sends in which units. `content` is the message."""

    address: str
    boot: str
    mono_ms: int | None
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Status:
    """A ``hd.status/1`` message; the broker sends the offline one itself when the connection is lost."""

    address: str
    online: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that cannot be used. `boot` and `seq` are given where they could be read, so that it can be answered."""

    reason: str
    boot: str | None = None
    seq: int | None = None


Message = Telemetry | Event | Birth | Status


class _Sample(msgspec.Struct):
    t: int
    v: dict[str, Any]


class _Telemetry(msgspec.Struct):
    schema: Literal["hd.tel/1"]
    dev: str
    boot: str
    seq: int
    s: list[_Sample]
    dev_time: datetime | None = None
    mono_ms: int | None = None
    mode: str | None = None
    test: bool = False
    session: Any = None
    q: dict[str, str] = {}
    u: dict[str, str] = {}


class _Event(msgspec.Struct):
    schema: Literal["hd.evt/1"]
    dev: str
    boot: str
    seq: int
    alarm_id: str
    event: str
    phase: Literal["start", "continue", "end"]
    state: Literal["off", "inactive", "active", "latched"]
    dev_time: datetime | None = None
    mono_ms: int | None = None
    source: str | None = None
    activity: str = "enabled"
    priority: str = "PN"
    value: Any = None
    unit: str | None = None
    test: bool = False


class _Birth(msgspec.Struct):
    schema: Literal["hd.birth/1"]
    dev: str
    boot: str
    mono_ms: int | None = None


class _BareStatus(msgspec.Struct):
    state: Literal["online", "offline"]


_telemetry = msgspec.json.Decoder(_Telemetry, float_hook=Decimal)
_event = msgspec.json.Decoder(_Event, float_hook=Decimal)
_birth = msgspec.json.Decoder(_Birth)
_status = msgspec.json.Decoder(_BareStatus)
_anything = msgspec.json.Decoder(float_hook=Decimal)


def parse_topic(subject: str) -> Topic | None:
    """Return the topic of a broker subject ``...hd.v1.{tenant}.{device}.{kind}``, None when it is none of ours."""
    parts = subject.split(".")
    if len(parts) < 5 or parts[-5:-3] != ["hd", "v1"] or parts[-1] not in get_args(Kind):
        return None
    return Topic(parts[-3], parts[-2].upper(), parts[-1])  # type: ignore[arg-type]  # checked just above


def decode(topic: Topic, payload: bytes) -> Message | Rejected:
    """Return the message published on `topic`, or why it is refused."""
    if len(payload) > _MAX_BYTES:
        return Rejected(MALFORMED)
    try:
        if topic.kind == "tel":
            message: Message = _read_telemetry(payload)
        elif topic.kind == "evt":
            message = _read_event(payload)
        elif topic.kind == "birth":
            message = _read_birth(payload)
        else:
            return Status(topic.address, _status.decode(payload).state == "online")
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return _salvage(payload)
    if message.address != topic.address:
        # The broker lets a device publish on its own topic only; a payload that names another is a mix-up.
        return Rejected(WRONG_DEVICE, getattr(message, "boot", None), getattr(message, "seq", None))
    return message


def _read_telemetry(payload: bytes) -> Telemetry:
    raw = _telemetry.decode(payload)
    if raw.seq < 1 or not raw.boot or len(raw.boot) > 64 or len(raw.s) > _MAX_SAMPLES:
        msg = "seq, boot or number of samples out of bounds"
        raise ValueError(msg)
    samples = []
    for sample in raw.s:
        for value in sample.v.values():
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | Decimal)
            ):
                msg = "a value is not a number"
                raise ValueError(msg)
        samples.append(Sample(sample.t, sample.v))
    return Telemetry(
        raw.dev.upper(), raw.boot, raw.seq, _aware(raw.dev_time), raw.mono_ms, _mode(raw.mode), raw.test, tuple(samples),
        raw.q, raw.u, _session(raw.session),
    )  # fmt: skip


def _read_event(payload: bytes) -> Event:
    raw = _event.decode(payload)
    if raw.seq < 1 or not raw.boot or len(raw.boot) > 64:
        msg = "seq or boot out of bounds"
        raise ValueError(msg)
    value = raw.value
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | Decimal)):
        msg = "the value is not a number"
        raise ValueError(msg)
    return Event(
        raw.dev.upper(), raw.boot, raw.seq, raw.alarm_id, _aware(raw.dev_time), raw.mono_ms, raw.event, raw.source, raw.phase,
        raw.state, raw.activity, raw.priority, value, raw.unit, raw.test,
    )  # fmt: skip


def _read_birth(payload: bytes) -> Birth:
    raw = _birth.decode(payload)
    content = _anything.decode(payload)
    metrics = content.get("metrics", {})
    if not isinstance(metrics, dict) or not all(isinstance(one, dict) for one in metrics.values()):
        msg = "metrics must be an object of objects"
        raise ValueError(msg)
    return Birth(raw.dev.upper(), raw.boot, raw.mono_ms, content)


def _aware(moment: datetime | None) -> datetime | None:
    """A time without a zone cannot be placed; it counts as not sent."""
    return None if moment is None or moment.tzinfo is None else moment


def _session(value: Any) -> str | None:
    """What cannot be a name counts as not given: the readings must not be lost for it."""
    return value if isinstance(value, str) and 0 < len(value) <= _MAX_SESSION else None


def _mode(text: str | None) -> Mode | None:
    return text if text in _MODES else None  # type: ignore[return-value]  # checked against the literal's values


def _salvage(payload: bytes) -> Rejected:
    """Name the message as far as it can be read, so that the device need not send it for ever."""
    seq = _SEQ.search(payload)
    boot = _BOOT.search(payload)
    reason = NOT_A_NUMBER if _NAN.search(payload) else MALFORMED
    return Rejected(
        reason,
        boot.group(1).decode(errors="replace") if boot else None,
        int(seq.group(1)) if seq else None,
    )
