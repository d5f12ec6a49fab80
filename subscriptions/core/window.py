"""What has to be remembered about a patient between two readings, and nothing more.

An entry is opened by the first breach of a side of a parameter and removed when the value is back.
Everything that must survive a crash is in here: since when a limit is broken, that a second reading
is owed and until when, what trends remember, and when a blood pressure is overdue.
"""

import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, cast

from fhirserver.kernel.readings import Priority
from subscriptions.core.trace import Trace

# What a stored window begins with; the first ones were plain JSON.
_MARK: Final = b"\x02"
_LENGTH: Final = struct.Struct("<I")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Entry:
    """One side of one parameter out of limits.

    `since`: level key -> when it was first broken without a break. `last`: the newest sample that
    broke a limit. `priority`: what has been raised, None while nothing was. `first`: the sample a
    second reading must confirm. `reread_by`: server time at which a missing second reading becomes
    PH. `bound`, `simulated`, `device`, `evidence` of the sample that opened it are needed when time
    itself raises the alert. `worst` is the value furthest out that was told; `reference` is,
    for a change, what it was measured against.
    """

    parameter: str
    alert_key: str
    last: datetime
    since: dict[str, datetime] = field(default_factory=dict)
    priority: Priority | None = None
    first: datetime | None = None
    reread_by: datetime | None = None
    code: str = ""
    device: str = ""
    evidence: str = ""
    simulated: bool = False
    worst: Decimal | None = None
    reference: float | None = None


@dataclass(slots=True)
class Treated:
    """That a treatment is under way, by server time: since when, and when it was last seen."""

    since: datetime
    seen: datetime
    device: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class Flow:
    """The blood flow (mL/min) a machine ran at when it announced its limits; None once it has changed."""

    announced: datetime
    rate: Decimal | None


@dataclass(slots=True)
class Window:
    """What is remembered of one patient.

    `entries` by ``parameter:side``, ``parameter:credibility``, ``parameter:overdue`` or the key of
    a trend; `traces` by key of the trend; `measured`: when a parameter with an interval was last
    measured, `overdue`: when its next value is too late, both server time; `flows` by Device whose
    own limits count.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    changed: bool = False
    traces: dict[str, Trace] = field(default_factory=dict)
    treated: Treated | None = None
    measured: dict[str, datetime] = field(default_factory=dict)
    overdue: dict[str, datetime] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)

    @property
    def parameters(self) -> frozenset[str]:
        """Return the names of the parameters that have an open entry."""
        return frozenset(entry.parameter for entry in self.entries.values())

    def raises(self, alert_key: str) -> bool:
        """Return whether a breach holds that alert up; one that has yet to last does not."""
        entries = self.entries.values()
        return any(one.alert_key == alert_key and one.priority is not None for one in entries)

    @property
    def due(self) -> datetime | None:
        """Return when time itself may raise something: a reading that did not come."""
        moments = [entry.reread_by for entry in self.entries.values()] if self.entries else []
        return min(
            (moment for moment in (*moments, *self.overdue.values()) if moment is not None),
            default=None,
        )


def encode(window: Window) -> bytes:
    """Return the bytes of `window`, empty for an empty one."""
    said: dict[str, Any] = {}
    if window.entries:
        said["e"] = {key: _entry_to_json(entry) for key, entry in window.entries.items()}
    if window.treated is not None:
        treated = window.treated
        said["t"] = [
            _micros(treated.since),
            _micros(treated.seen),
            treated.device,
            treated.simulated,
        ]
    if window.measured:
        said["m"] = {name: _micros(moment) for name, moment in window.measured.items()}
    if window.overdue:
        said["o"] = {name: _micros(moment) for name, moment in window.overdue.items()}
    if window.flows:
        said["f"] = {
            device: [_micros(flow.announced), None if flow.rate is None else str(flow.rate)]
            for device, flow in window.flows.items()
        }
    if not said and not window.traces:
        return b""
    parts = [json.dumps(said, separators=(",", ":")).encode()]
    for key, trace in window.traces.items():
        parts += (key.encode(), trace.pack())
    return _MARK + b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def decode(data: bytes) -> Window:
    """Return the window that `encode` made `data` from."""
    if not data:
        return Window()
    if not data.startswith(_MARK):
        return Window({key: _entry_from_json(raw) for key, raw in json.loads(data).items()})
    parts: list[bytes] = []
    offset = len(_MARK)
    while offset < len(data):
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += _LENGTH.size + length
        parts.append(data[offset - length : offset])
    said = json.loads(parts[0])
    window = Window({key: _entry_from_json(raw) for key, raw in said.get("e", {}).items()})
    window.traces = {
        key.decode(): Trace.unpack(packed)
        for key, packed in zip(parts[1::2], parts[2::2], strict=True)
    }
    if "t" in said:
        since, seen, device, simulated = said["t"]
        window.treated = Treated(_moment(since), _moment(seen), device, simulated)
    window.measured = {name: _moment(micros) for name, micros in said.get("m", {}).items()}
    window.overdue = {name: _moment(micros) for name, micros in said.get("o", {}).items()}
    window.flows = {
        device: Flow(_moment(announced), None if rate is None else Decimal(rate))
        for device, (announced, rate) in said.get("f", {}).items()
    }
    return window


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    return {
        "p": entry.parameter,
        "k": entry.alert_key,
        "l": _micros(entry.last),
        "s": {key: _micros(moment) for key, moment in entry.since.items()},
        "r": entry.priority,
        "f": None if entry.first is None else _micros(entry.first),
        "d": None if entry.reread_by is None else _micros(entry.reread_by),
        "c": entry.code,
        "v": entry.device,
        "o": entry.evidence,
        "t": entry.simulated,
        "w": None if entry.worst is None else str(entry.worst),
        "b": entry.reference,
    }


def _entry_from_json(raw: dict[str, Any]) -> Entry:
    return Entry(
        parameter=raw["p"],
        alert_key=raw["k"],
        last=_moment(raw["l"]),
        since={key: _moment(micros) for key, micros in raw["s"].items()},
        priority=cast("Priority | None", raw["r"]),
        first=None if raw["f"] is None else _moment(raw["f"]),
        reread_by=None if raw["d"] is None else _moment(raw["d"]),
        code=raw["c"],
        device=raw["v"],
        evidence=raw["o"],
        simulated=raw["t"],
        worst=None if raw.get("w") is None else Decimal(raw["w"]),
        reference=raw.get("b"),
    )


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
