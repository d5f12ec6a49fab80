"""What a device says and is told, as JSON: birth, telemetry, alarm events, acknowledgements. Pure.

Topics are `hd/v1/{tenant}/{device}/{birth|status|tel|evt|ack}`. `seq` counts from 1 per (device,
boot, kind) for telemetry and events. Values are by MDC code (ISO/IEEE 11073-10101) in UCUM units.
The blood processed (158772) carries the reading's own number, so that what a search finds can be
compared with what was sent, number by number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

Kind = Literal["tel", "evt"]

NUMBER: Final = "158772"
SYSTOLIC: Final = "150021"
DIASTOLIC: Final = "150022"
BLOOD_PRESSURE: Final = "150020"
VENOUS_ACCESS: Final = "198260"
GOAL_MET: Final = "198278"

# (unit, a value of an untroubled treatment); the first twelve are what a machine says each second.
METRICS: Final[Mapping[str, tuple[str, int | float]]] = {
    NUMBER: ("L", 0),
    "158776": ("mm[Hg]", 160),
    "158744": ("mm[Hg]", -120),
    "158852": ("mm[Hg]", 40),
    "158740": ("mL/min", 350),
    "158792": ("mL/min", 150),
    "159036": ("mL/h", 520),
    "159032": ("mL", 900),
    "158720": ("min", 60),
    "158724": ("min", 180),
    "158788": ("mS/cm", 13.8),
    "158796": ("Cel", 36.5),
    "158743": ("mL/min", 349),
    "158756": ("mm[Hg]", 210),
    "16935956": ("mL/min", 350),
    "158848": ("L", 9.2),
    "16936004": ("mS/cm", 13.8),
    "16936008": ("mL/min", 150),
    "16936012": ("Cel", 36.5),
    "159028": ("mL", 2400),
    "16936252": ("mL/h", 520),
}
_PRESSURES: Final = {SYSTOLIC: ("mm[Hg]", 120), DIASTOLIC: ("mm[Hg]", 75)}
MOST_VALUES: Final = len(METRICS)
# A systolic pressure under every floor that a reviewed rule set could have, yet not incredible.
FALLEN: Final = {SYSTOLIC: 61, DIASTOLIC: 38}


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks: the device as its topics spell it, and this boot of it."""

    device: str
    boot: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The server's word: every number up to `through`, in `also` or `rejected` is settled."""

    boot: str
    kind: Kind
    through: int
    also: tuple[tuple[int, int], ...]
    rejected: frozenset[int]

    def covers(self, number: int) -> bool:
        """Return whether `number` need not be kept any longer."""
        return (
            number <= self.through
            or number in self.rejected
            or any(first <= number <= last for first, last in self.also)
        )


def birth(voice: Voice, now: datetime, mono_ms: int, values: int) -> bytes:
    """Return the birth message of a dialysis machine that measures `values` quantities."""
    units = {code: METRICS[code][0] for code in list(METRICS)[:values]}
    units |= {code: unit for code, (unit, _) in _PRESSURES.items()}
    return orjson.dumps(
        {
            "schema": "hd.birth/1",
            "dev": voice.device,
            "boot": voice.boot,
            "dev_time": _instant(now),
            "mono_ms": mono_ms,
            "kind": "hemodialysis-machine",
            "manufacturer": "Conformance",
            "model": "LOAD-1",
            "interval_s": 1,
            "metrics": {code: {"unit": unit} for code, unit in units.items()},
        }
    )


def status(voice: Voice, state: Literal["online", "offline"]) -> bytes:
    """Return the status message."""
    return orjson.dumps({"schema": "hd.status/1", "state": state, "boot": voice.boot})


def calm(number: int, values: int) -> dict[str, int | float]:
    """Return `values` quantities of an untroubled treatment; the first is `number` itself."""
    return {NUMBER: number} | {code: METRICS[code][1] for code in list(METRICS)[1:values]}


def telemetry(
    voice: Voice,
    seq: int,
    now: datetime,
    mono_ms: int,
    samples: Sequence[tuple[int, Mapping[str, int | float]]],
    *,
    mode: str = "TX",
) -> bytes:
    """Return a telemetry message; `samples` are (milliseconds from now, 0 or less; values)."""
    return orjson.dumps(
        {
            "schema": "hd.tel/1",
            "dev": voice.device,
            "boot": voice.boot,
            "seq": seq,
            "dev_time": _instant(now),
            "mono_ms": mono_ms,
            "mode": mode,
            "s": [{"t": offset, "v": values} for offset, values in samples],
        }
    )


def event(voice: Voice, seq: int, now: datetime, mono_ms: int, code: str, priority: str) -> bytes:
    """Return the start of an alarm; `priority` as in IHE PCD-04 (PH, PM, PL, PI)."""
    return orjson.dumps(
        {
            "schema": "hd.evt/1",
            "dev": voice.device,
            "boot": voice.boot,
            "seq": seq,
            "dev_time": _instant(now),
            "mono_ms": mono_ms,
            "alarm_id": f"a-{seq}",
            "event": code,
            "phase": "start",
            "state": "active",
            "activity": "enabled",
            "priority": priority,
        }
    )


def observations(values: Mapping[str, int | float]) -> int:
    """Return how many Observations one sample becomes: systolic and diastolic are one panel."""
    pressures = sum(1 for code in values if code in _PRESSURES)
    return len(values) - max(0, pressures - 1)


def read_acknowledgement(payload: bytes) -> Acknowledgement:
    """Return the server's acknowledgement; raises ValueError for anything else."""
    body: Any = orjson.loads(payload)
    if not isinstance(body, dict) or body.get("kind") not in ("tel", "evt"):
        raise ValueError("not an acknowledgement")
    boot, through = body.get("boot"), body.get("through")
    if not isinstance(boot, str) or not isinstance(through, int):
        raise ValueError(  # noqa: TRY004 - the sender's mistake, not the caller's
            "an acknowledgement names boot and through"
        )
    also = tuple((int(first), int(last)) for first, last in body.get("also", ()))
    return Acknowledgement(
        boot, body["kind"], through, also, frozenset(map(int, body.get("rejected", ())))
    )


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
