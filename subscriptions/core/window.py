"""What has to be remembered about a patient between two readings, and nothing more.

A patient whose values are all within limits has an empty window. An entry is opened by the first
breach of a side of a parameter and removed when the value is back. Everything that must survive a
crash is in here: since when a limit is broken, that a second reading is owed and until when.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from fhirserver.kernel.readings import Priority

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Entry:
    """One side of one parameter out of limits.

    `since`: level key -> when it was first broken without a break. `last`: the newest sample that
    broke a limit. `priority`: what has been raised, None while nothing was. `first`: the sample a
    second reading must confirm. `reread_by`: server time at which a missing second reading becomes
    PH. `bound`, `simulated`, `device`, `evidence` of the sample that opened it are needed when time
    itself raises the alert.
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


@dataclass(slots=True)
class Window:
    """The open entries of one patient, by ``parameter:side`` or ``parameter:credibility``."""

    entries: dict[str, Entry] = field(default_factory=dict)
    changed: bool = False

    @property
    def parameters(self) -> frozenset[str]:
        """Return the names of the parameters that have an open entry."""
        return frozenset(entry.parameter for entry in self.entries.values())

    @property
    def due(self) -> datetime | None:
        """Return when time itself will raise something (a second reading that did not come)."""
        return min(
            (entry.reread_by for entry in self.entries.values() if entry.reread_by is not None),
            default=None,
        )


def encode(window: Window) -> bytes:
    """Return the bytes of `window`, empty for an empty one."""
    if not window.entries:
        return b""
    return json.dumps(
        {key: _entry_to_json(entry) for key, entry in window.entries.items()},
        separators=(",", ":"),
    ).encode()


def decode(data: bytes) -> Window:
    """Return the window that `encode` made `data` from."""
    if not data:
        return Window()
    return Window({key: _entry_from_json(raw) for key, raw in json.loads(data).items()})


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
    )


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
