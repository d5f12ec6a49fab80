"""From what devices say to what a rehearsal reads: the work of a server's front door, done again.

An independent reading of the message formats: numbered messages count once, times are mapped by the
monotonic clock, what cannot be read is set aside with a reason and never becomes a value. Written
from the formats, not from the server, so that a misunderstanding shows.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

FAULTY_SKEW: Final = timedelta(seconds=60)
MODE_MEMORY_S: Final = 10.0
MALFORMED: Final = "malformed"
NOT_A_NUMBER: Final = "not-a-number"
_NAN: Final = re.compile(rb"[:\[,]\s*-?(?:NaN|Infinity)\b")

Json = dict[str, Any]


class Said(Protocol):
    """One message as it reached the server."""

    @property
    def received(self) -> datetime:
        """When the server had it."""

    @property
    def eui64(self) -> str:
        """Whose it is."""

    @property
    def channel(self) -> str:
        """birth, status, tel or evt."""

    @property
    def body(self) -> Mapping[str, Any] | None:
        """What it says, None when it is no JSON object."""

    @property
    def payload(self) -> bytes:
        """The bytes of it."""


class Worn(Protocol):
    """Who uses a device from when until when."""

    @property
    def eui64(self) -> str:
        """The device."""

    @property
    def patient(self) -> str:
        """The patient."""

    @property
    def since(self) -> datetime:
        """The first moment."""

    @property
    def until(self) -> datetime | None:
        """The first moment that is no longer covered, None for still."""


@dataclass(slots=True)
class Door:
    """The door of one home. `name` prefixes patients, so that many homes fit into one rehearsal.

    `refused` counts what was set aside, by reason; `known` are the metrics a device may send, by
    code with their units.
    """

    name: str
    bindings: Sequence[Worn]
    known: Mapping[str, str]
    refused: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    _seen: set[tuple[str, str, str, int]] = field(default_factory=set)
    _offsets: dict[tuple[str, str], float] = field(default_factory=dict)
    _units: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _numbers: dict[tuple[str, str, str], tuple[int, int, int, int]] = field(default_factory=dict)
    _clocks: dict[str, bool] = field(default_factory=dict)
    _clock_news: list[Json] = field(default_factory=list)
    _left: list[Worn] = field(default_factory=list)

    @property
    def patients(self) -> tuple[str, ...]:
        """Return everybody this door lets messages in for."""
        return tuple(dict.fromkeys(f"{self.name}/{one.patient}" for one in self.bindings))

    def lines(self, said: Said) -> list[Json]:
        """Return the rehearsal's lines for one message, none for one that says nothing new."""
        before = sum(self.refused.values())
        lines = [*self._handed_over(said), *self._message(said), *self._clock_news]
        self._clock_news.clear()
        refused = sum(self.refused.values()) - before
        if refused and said.channel in ("tel", "evt"):
            kind = "event" if said.channel == "evt" else "data"
            lines += self._fault(said, kind, refused)
        return lines

    def _message(self, said: Said) -> Iterable[Json]:
        body = said.body
        if body is None:
            return self._refuse(NOT_A_NUMBER if _NAN.search(said.payload) else MALFORMED)
        if said.channel == "status":
            return self._status(said, body)
        if said.channel == "birth":
            self._units[said.eui64] = {
                code: metric.get("unit") for code, metric in body.get("metrics", {}).items()
            }
            self._offset(said, body)
            return self._limits(said, body)
        if not self._is_new(said, body):
            return ()
        found = self._telemetry(said, body) if said.channel == "tel" else self._event(said, body)
        return [*found, *self._gap(said, body)]

    def _handed_over(self, said: Said) -> Iterator[Json]:
        """Tell, once, that a device left its patient before `said`."""
        for one in self.bindings:
            if one.until is None or one.until > said.received or one in self._left:
                continue
            self._left.append(one)
            patient = f"{self.name}/{one.patient}"
            yield {
                "kind": "release",
                "at": millis(said.received),
                "patient": patient,
                "device": one.eui64,
            }

    def _fault(self, said: Said, kind: str, amount: int) -> list[Json]:
        patient = self._patient(said.eui64, said.received)
        if patient is None:
            return []
        line = {"kind": "fault", "at": millis(said.received), "patient": patient}
        return [line | {"device": said.eui64, "fault": kind, "amount": amount}]

    def _gap(self, said: Said, body: Mapping[str, Any]) -> list[Json]:
        """Tell how many numbers are missing, when that changes."""
        key = (said.eui64, str(body["boot"]), said.channel)
        low, high, count, told = self._numbers.get(key, (body["seq"], body["seq"], 0, 0))
        low, high, count = min(low, body["seq"]), max(high, body["seq"]), count + 1
        missing = high - low + 1 - count
        self._numbers[key] = (low, high, count, missing)
        return [] if missing == told else self._fault(said, f"gap-{said.channel}", missing)

    def _status(self, said: Said, body: Mapping[str, Any]) -> Iterable[Json]:
        patient = self._patient(said.eui64, said.received)
        if patient is None or body.get("state") not in ("online", "offline"):
            return ()
        return (
            {
                "kind": "contact",
                "at": millis(said.received),
                "patient": patient,
                "device": said.eui64,
                "online": body["state"] == "online",
            },
        )

    def _limits(self, said: Said, body: Mapping[str, Any]) -> Iterable[Json]:
        """Tell what the machine itself gives an alarm about from now on."""
        patient = self._patient(said.eui64, said.received)
        limits = {
            code: metric["limits"]
            for code, metric in body.get("metrics", {}).items()
            if "limits" in metric and metric.get("unit") == self.known.get(code)
        }
        if patient is None:
            return ()
        line = {"kind": "limits", "at": millis(said.received), "patient": patient}
        return (line | {"device": said.eui64, "limits": limits, "boot": body["boot"]},)

    def _telemetry(self, said: Said, body: Mapping[str, Any]) -> Iterable[Json]:
        samples = body.get("s")
        if not isinstance(samples, list) or body.get("dev", said.eui64) != said.eui64:
            return self._refuse(MALFORMED)
        sent, delay = self._timing(said, body)
        lines: list[Json] = []
        for sample in samples:
            if not isinstance(sample, Mapping) or not isinstance(sample.get("v"), Mapping):
                return self._refuse(MALFORMED)
            offset = timedelta(milliseconds=sample.get("t", 0))
            taken, age = sent + offset, (delay - offset).total_seconds()
            patient = self._patient(said.eui64, taken)
            uses = self._patient(said.eui64, said.received)
            values = self._values(said.eui64, sample["v"], body)
            if patient is None:
                continue
            lines.append(
                {
                    "kind": "readings",
                    "at": millis(said.received),
                    "patient": patient,
                    "device": said.eui64,
                    "taken": millis(taken),
                    "age": age,
                    "mode": body.get("mode") if age <= MODE_MEMORY_S else None,
                    "values": values,
                    # What arrives only after the device has left is no sign of life to its patient.
                    "contact": patient == uses,
                }
            )
        return lines

    def _values(
        self, eui64: str, values: Mapping[str, Any], body: Mapping[str, Any]
    ) -> dict[str, int | float]:
        declared = {**self._units.get(eui64, {}), **body.get("u", {})}
        told: dict[str, int | float] = {}
        for code, value in values.items():
            if code not in self.known:
                self._refuse("unknown-metric")
            elif declared.get(code) not in (None, self.known[code]):
                self._refuse("wrong-unit")
            elif value is None:
                if body.get("q", {}).get(code, "ok") == "ok":
                    self._refuse("null-value")
            elif isinstance(value, bool) or not isinstance(value, int | float):
                self._refuse(MALFORMED)
            elif not math.isfinite(value):
                self._refuse(NOT_A_NUMBER)
            else:
                told[code] = value
        return told

    def _event(self, said: Said, body: Mapping[str, Any]) -> Iterable[Json]:
        sent, delay = self._timing(said, body)
        patient = self._patient(said.eui64, sent)
        line = {
            "kind": "event",
            "at": millis(said.received),
            "patient": patient or f"{self.name}/{self.bindings[0].patient}",
            "device": said.eui64,
            "taken": millis(sent),
            "age": delay.total_seconds(),
            "bound": patient is not None,
        }
        for facet in (
            "alarm_id",
            "event",
            "source",
            "phase",
            "state",
            "activity",
            "priority",
            "value",
            "unit",
        ):
            if body.get(facet) is not None:
                line[facet] = body[facet]
        return (line,)

    def _is_new(self, said: Said, body: Mapping[str, Any]) -> bool:
        number, boot = body.get("seq"), body.get("boot")
        if not isinstance(number, int) or not isinstance(boot, str):
            self._refuse(MALFORMED)
            return False
        mark = (said.eui64, boot, said.channel, number)
        if mark in self._seen:
            self.duplicates += 1
            return False
        self._seen.add(mark)
        return True

    def _offset(self, said: Said, body: Mapping[str, Any]) -> float | None:
        """Return the smallest difference seen between receipt and the device's monotonic clock."""
        mono, boot = body.get("mono_ms"), body.get("boot")
        if not isinstance(mono, int | float) or not isinstance(boot, str):
            return None
        key = (said.eui64, boot)
        seen = millis(said.received) - mono
        self._offsets[key] = min(seen, self._offsets.get(key, seen))
        return self._offsets[key]

    def _timing(self, said: Said, body: Mapping[str, Any]) -> tuple[datetime, timedelta]:
        """Return when a message was sent and how long it was on its way."""
        offset = self._offset(said, body)
        delay = timedelta(0)
        if offset is not None:
            delay = timedelta(milliseconds=millis(said.received) - body["mono_ms"] - offset)
        sent = said.received - delay
        wall = _instant(body.get("dev_time"))
        if wall is None:
            return sent, delay
        skew = abs(wall - sent)
        wrong = skew > FAULTY_SKEW
        if self._clocks.get(said.eui64, False) != wrong:
            self._clocks[said.eui64] = wrong
            self._clock_news += self._fault(said, "clock", round(skew.total_seconds()) * wrong)
        return (sent if wrong else wall), delay

    def _patient(self, eui64: str, at: datetime) -> str | None:
        for one in self.bindings:
            if one.eui64 == eui64 and one.since <= at and (one.until is None or at < one.until):
                return f"{self.name}/{one.patient}"
        return None

    def _refuse(self, reason: str) -> tuple[()]:
        self.refused[reason] = self.refused.get(reason, 0) + 1
        return ()


def millis(moment: datetime) -> int:
    """Return `moment` in whole milliseconds since 1970 UTC."""
    return round(moment.timestamp() * 1000)


def moment(at: int) -> datetime:
    """Return the moment `at` milliseconds after 1970 UTC."""
    return datetime.fromtimestamp(at / 1000, UTC)


def _instant(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
