"""Homes written, feeds run, everything read back: no accepted snapshot lost, none stored twice."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from conformance.history import Violation, check_readings
from conformance.load import homes, processes
from conformance.load.hl7v2.feed import Feed
from conformance.load.hl7v2.line import Line
from conformance.load.hl7v2.snapshot import Snapshot
from conformance.load.household import MDC, Household
from conformance.load.messages import NUMBER
from conformance.load.percentiles import spread
from conformance.load.verify import PAGE, read_patient
from conformance.record import Record

_PATIENCE_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """`rate`: messages a second over all connections, 0: as fast as answered. `verified`: homes read back whole."""

    connections: int = 50
    seconds: float = 20.0
    rate: float = 0.0
    lines: int = 20
    verified: int = 3


async def settle(
    record: Record, address: tuple[str, int], count: int, lines: int, *, run: str = ""
) -> list[Feed]:
    """Write `count` homes and return the feeds of their machines. Raises `conformance.record.Refusal`."""
    run = run or secrets.token_hex(4)
    made = [Household(run, number) for number in range(count)]
    await homes.settle(record, made)
    return [
        Feed(one.patient, Snapshot(one.eui64.replace("-", ""), lines), Line(address), run)
        for one in made
    ]


async def measure(
    base: str,
    token: str,
    address: tuple[str, int],
    wanted: Wanted,
    pid: int | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Run the load against a server and return its figures. Raises `conformance.record.Refusal`."""
    async with httpx.AsyncClient(timeout=_PATIENCE_SECONDS, trust_env=False) as http:
        record = Record(http, base, token)
        feeds = await settle(record, address, wanted.connections, wanted.lines)
        say(f"{len(feeds)} homes are written")
        # What a machine says first makes its devices and metrics, once.
        await asyncio.gather(*(one.send() for one in feeds))
        for one in feeds:
            one.took_s.clear()
        meter = None if pid is None else processes.Meter(pid)
        if meter is not None:
            meter.start()
        begun, own = time.monotonic(), time.process_time()
        await asyncio.gather(*_running(feeds, wanted, begun))
        took_s = time.monotonic() - begun
        own = time.process_time() - own
        cpu_s = {} if meter is None else {name: one.cpu_s for name, one in meter.usage().items()}
        cpu_s[processes.OURSELVES] = own
        for one in feeds:
            one.line.close()
        say("reading everything back")
        violations = await verify(record, feeds, wanted.verified)
    answered = sum(len(one.took_s) for one in feeds)
    refused = [text for one in feeds for text in one.refused]
    return {
        "connections": wanted.connections,
        "obx": wanted.lines,
        "asked_messages_per_s": wanted.rate or None,
        "seconds": round(took_s, 1),
        "messages": answered,
        "messages_per_s": round(answered / took_s, 1),
        "observations_per_s": round(answered * (wanted.lines - 1) / took_s),
        "acknowledged_ms": spread([one for feed in feeds for one in feed.took_s]).as_json(),
        "sent_again": sum(one.line.resent for one in feeds),
        "refused": refused[:10],
        "violations": [str(one) for one in violations[:20]],
        "lost": sum(one.fault == "lost" for one in violations),
        "double": sum(one.fault == "duplicated" for one in violations),
        "cpu_cores": {name: round(used / took_s, 2) for name, used in cpu_s.items()},
        "passed": not violations and not refused,
    }


def _running(feeds: Sequence[Feed], wanted: Wanted, begun: float) -> list[Any]:
    until = begun + wanted.seconds
    if not wanted.rate:
        return [one.as_fast_as_answered(until) for one in feeds]
    every_s = len(feeds) / wanted.rate
    # Spread over the interval: machines of different homes do not speak in step.
    return [
        one.evenly(begun + every_s * place / len(feeds), every_s, until)
        for place, one in enumerate(feeds)
    ]


async def verify(record: Record, feeds: Sequence[Feed], whole: int) -> list[Violation]:
    """Return what is lost, double or invented: of every home by its numbered reading, of `whole` homes by every value."""
    violations: list[Violation] = []
    for feed in feeds:
        asked = {"patient": feed.patient, "code": f"{MDC}|{NUMBER}", "_count": PAGE}
        found = [
            int(one["valueQuantity"]["value"]) async for one in record.search("Observation", asked)
        ]
        sent = frozenset(range(1, feed.sent + 1))
        violations += check_readings(feed.patient, sent, feed.accepted, found)
    for feed in feeds[:whole]:
        stored = await read_patient(record, feed.patient)
        violations += [
            Violation(
                "lost" if count < len(stored.readings) else "duplicated",
                f"{feed.patient} {code}",
                count,
                0,
            )
            for code, count in stored.by_code.items()
            if count != len(stored.readings)
        ]
        if len(stored.by_code) != feed.snapshot.values:
            violations.append(
                Violation("lost", f"{feed.patient}, measures", len(stored.by_code), 0)
            )
    return violations
