"""Arms the demonstration's homes: asks the server for a test page and waits for its answer.

A treatment that nobody's phone was tried for is an alarm of its own, so this comes before the
devices are switched on.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from simulator.demo.cast import HOUSEHOLDS, Household
from simulator.demo.picture import Line
from simulator.record import Record

LONGEST_S: Final = 30.0
_LOOKS_EVERY_S: Final = 0.5
# Asking again too early only sends a second text to a phone that still answers the first.
_ASKS_EVERY_S: Final = 10.0


async def arm_all(record: Record, clock: Callable[[], datetime]) -> list[Line]:
    """Arm every home at once; return what is to be told. One that cannot be stops no other."""
    return await asyncio.gather(*(arm(record, home, clock) for home in HOUSEHOLDS))


async def arm(record: Record, home: Household, clock: Callable[[], datetime]) -> Line:
    """Ask until monitoring of `home` is armed, or `LONGEST_S` have passed; raises RecordError."""
    patient = home.patient.reference
    loop = asyncio.get_running_loop()
    ends = loop.time() + LONGEST_S
    asks = loop.time()
    state = "unarmed"
    while state != "armed" and loop.time() < ends:
        if loop.time() >= asks or state == "unarmed":
            asks = loop.time() + _ASKS_EVERY_S
            state = str((await record.operate(f"{patient}/$test-page"))["state"])
        else:
            state = str((await record.ask(f"{patient}/$armed"))["state"])
        if state != "armed":
            await asyncio.sleep(_LOOKS_EVERY_S)
    if state != "armed":
        return Line(clock(), "fault", home.key, f"monitoring is NOT armed: {state}")
    text = f"monitoring is armed: {home.partner.name} has answered the test page"
    return Line(clock(), "ready", home.key, text)
