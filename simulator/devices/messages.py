"""The JSON a device publishes: birth, status, telemetry and alarm events.

Schemas `hd.birth/1`, `hd.status/1`, `hd.tel/1`, `hd.evt/1` on topics
`hd/v1/{tenant}/{device}/{channel}`. Telemetry and events are numbered from 1 per (device, boot,
kind); birth and status stand outside the numbering.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from simulator.devices.identity import Identity

Channel = Literal["birth", "status", "tel", "evt"]
Kind = Literal["tel", "evt"]
Limits = Mapping[str, float]
Json = dict[str, Any]

CLOCK: Json = {"sync": "ntp4", "est_err_ms": 20}


@dataclass(frozen=True, slots=True)
class Message:
    """One publication; `seq` is None outside the numbering, `content` a body or bytes as they are.

    Bodies become bytes only when asked for: a session in virtual time often never asks.
    """

    channel: Channel
    seq: int | None
    content: Json | bytes

    @property
    def body(self) -> Json | None:
        """The JSON object this message carries, None when it is none."""
        if not isinstance(self.content, bytes):
            return self.content
        try:
            body = json.loads(self.content, parse_constant=_no_number)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    @property
    def payload(self) -> bytes:
        """The bytes to publish."""
        return self.content if isinstance(self.content, bytes) else encode(self.content)


def instant(moment: datetime) -> str:
    """Return `moment` as ISO 8601 in UTC with milliseconds."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def _no_number(text: str) -> float:
    raise ValueError(f"JSON has no {text}")


def encode(body: Json) -> bytes:
    """Return `body` as compact UTF-8 JSON."""
    # The constants of the physiology are floats that know their unit.
    return orjson.dumps(body, default=float)


class Speaker:
    """Builds the messages of one device during one boot; keeps its two counters."""

    def __init__(self, identity: Identity, boot: str, *, test: bool = False) -> None:
        self.identity = identity
        self.boot = boot
        self._test = test
        self._numbers: dict[Kind, int] = {"tel": 0, "evt": 0}

    def _next(self, kind: Kind) -> int:
        self._numbers[kind] += 1
        return self._numbers[kind]

    def birth(
        self,
        now: datetime,
        mono_ms: int,
        units: Mapping[str, str],
        limits: Mapping[str, Limits],
    ) -> Message:
        """Who I am and what I measure: `units` and `limits` by MDC code."""
        metrics: Json = {
            code: {"unit": unit} | ({"limits": dict(limits[code])} if code in limits else {})
            for code, unit in units.items()
        }
        identity = self.identity
        body: Json = {
            "schema": "hd.birth/1",
            "dev": identity.eui64,
            "boot": self.boot,
            "dev_time": instant(now),
            "mono_ms": mono_ms,
            "clock": CLOCK,
            "kind": identity.kind,
            "model": identity.model,
            "manufacturer": identity.manufacturer,
            "serial": identity.serial,
            "interval_s": identity.interval_s,
            "metrics": metrics,
            "sim": True,
        }
        if self._test:
            body["test"] = True
        return Message("birth", None, body)

    def status(self, state: Literal["online", "offline"]) -> Message:
        """Whether I am there; the broker sends `offline` for me as the last will."""
        body = {"schema": "hd.status/1", "state": state, "boot": self.boot}
        return Message("status", None, body)

    def telemetry(
        self,
        now: datetime,
        mono_ms: int,
        values: Mapping[str, int | float],
        *,
        mode: str | None,
        session: str | None,
    ) -> Message:
        """One sample of every metric, taken now; `values` is kept, not copied."""
        seq = self._next("tel")
        body: Json = {
            "schema": "hd.tel/1",
            "dev": self.identity.eui64,
            "boot": self.boot,
            "seq": seq,
            "session": session,
            "patient": None,
            "dev_time": instant(now),
            "mono_ms": mono_ms,
            "clock": CLOCK,
            "test": self._test,
            "s": [{"t": 0, "v": values}],
        }
        if mode is not None:
            body["mode"] = mode
        return Message("tel", seq, body)

    def event(self, now: datetime, mono_ms: int, facets: Json) -> Message:
        """One alarm facet message; `facets` holds alarm_id, event, source, phase and the rest."""
        seq = self._next("evt")
        body: Json = {
            "schema": "hd.evt/1",
            "dev": self.identity.eui64,
            "boot": self.boot,
            "seq": seq,
            "dev_time": instant(now),
            "mono_ms": mono_ms,
            "test": self._test,
        }
        return Message("evt", seq, body | facets)

    def broken(self, kind: Kind, text: str, now: datetime, mono_ms: int) -> Message:
        """A numbered message whose body is `text` as it stands.

        ``%DEV%``, ``%BOOT%``, ``%SEQ%``, ``%NOW%`` and ``%MONO%`` take this device's own values.
        """
        seq = self._next(kind)
        for mark, value in {
            "%DEV%": self.identity.eui64,
            "%BOOT%": self.boot,
            "%SEQ%": str(seq),
            "%NOW%": instant(now),
            "%MONO%": str(mono_ms),
        }.items():
            text = text.replace(mark, value)
        return Message(kind, seq, text.encode())
