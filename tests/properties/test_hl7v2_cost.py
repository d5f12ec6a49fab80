"""What it costs to find out what a message means grows with its length and no faster, whatever stands in it.

Two measures that a busy machine does not disturb: how many lines of our code ran, and the time a processor worked on it.
"""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest

from adapters.hl7v2 import sites
from adapters.hl7v2.coming import Coming, messages_in
from adapters.hl7v2.mapping.scope import MOST_LOOKS
from adapters.hl7v2.sites import Peer
from fhirserver.wire.hl7v2.message import MOST_SEGMENTS
from fhirserver.wire.hl7v2.mllp import Frame, FrameReader, framed

SITE = sites.load(unknown="accept")
NOW = datetime(2026, 8, 1, 9, 30, tzinfo=UTC)
PEER = Peer("127.0.0.1")
# The longest message that is taken, as shipped (HL7_MESSAGE_BYTES).
LONGEST = 1_048_576
HEADER = b"MSH|^~\\&|a|b|||20260801||%s|1|P|2.6\r"
RESULTS, VISIT, ALARM = HEADER % b"ORU^R01", HEADER % b"ADT^A04", HEADER % b"ORU^R40"
SOMEBODY = b"PID|1||1^^^A\r"
VALUE = b"OBX|1|NM|158776^^MDC||"

# Messages that are `n` bytes long or a little longer.
KILLERS: dict[str, Callable[[int], bytes]] = {
    "fields": lambda n: RESULTS + b"PID" + b"|" * n,
    "components": lambda n: VISIT + b"PID|||" + b"^" * n,
    "repetitions": lambda n: VISIT + b"PID|||" + b"~" * n,
    "subcomponents": lambda n: VISIT + b"PID|||1^^^" + b"&" * n,
    "segments": lambda n: RESULTS + b"ZZZ|1\r" * (n // 6),
    "other segments": lambda n: RESULTS + b"".join(b"Z%02d|%d\r" % (i % 90, i) for i in range(n // 9)),
    "patients": lambda n: VISIT + SOMEBODY * (n // 13),
    "identifiers": lambda n: VISIT + b"PID|1||" + b"~".join(b"%d^^^A" % i for i in range(n // 10)),
    "next of kin": lambda n: VISIT + SOMEBODY + b"NK1|1|Doe^Bob|SPO\r" * (n // 19),
    "values": lambda n: RESULTS + b"OBX|1|NM|158776^^MDC||1|mm[Hg]\r" * (n // 32),
    "moments": lambda n: RESULTS
    + b"".join(VALUE + b"1||||||F|||2026080109%04d\r" % (i % 6000) for i in range(n // 48)),
    "alarms": lambda n: ALARM
    + b"OBR|1||x^y^0A1B2CFFFE3D4E5F^EUI-64|196616\rOBX|1|CWE|196670^^MDC||158776\r" * (n // 80),
    "results": lambda n: RESULTS
    + SOMEBODY
    + b"OBR|1|||1^a^LN\rOBX|1|NM|2^b^LN||4|mmol/L|3-5\r" * (n // 46),
    "messages": lambda n: (VISIT + SOMEBODY) * (n // 50),
    "a batch": lambda n: b"FHS|^~\\&\rBHS|^~\\&\r" + (VISIT + SOMEBODY) * (n // 50) + b"BTS|1\rFTS|1\r",
    "escapes": lambda n: VISIT + b"PID|1||1^^^A||" + b"\\T\\" * (n // 3),
    "backslashes": lambda n: VISIT + b"PID|1||1^^^A||" + b"\\" * n,
    "hexadecimal": lambda n: VISIT + b"PID|1||1^^^A||\\X" + b"41" * (n // 2) + b"\\",
    "digits": lambda n: RESULTS + VALUE + b"9" * n,
    "a limit": lambda n: RESULTS + VALUE + b"1||" + b"1" * n + b"-",
    "blanks in a limit": lambda n: RESULTS + VALUE + b"1||1" + b" " * n + b"x",
    "a date": lambda n: VISIT + b"PID|1||1^^^A||D||" + b"2" * n,
    "encapsulated data": lambda n: RESULTS + b"OBR|1|1||1^a^LN\rOBX|1|ED|2^b^LN||^^^Base64^" + b"QUJD" * (n // 4),
    "wrong bytes": lambda n: VISIT + b"PID|1||1^^^A||" + b"\xff" * n,
    "zeros": lambda n: b"\x00" * n,
    "ends": lambda n: b"\r" * n,
    "XML": lambda n: b"<?xml version='1.0'?>" + b"<a>" * (n // 3),
    "headers": lambda n: b"MSH|" * (n // 4),
    "the known killer": lambda n: b"MSH|^|||||||^A|||2.2\r^AA" * (n // 24),
}  # fmt: skip


def found_in(raw: bytes) -> Iterator[Coming]:
    for frame in FrameReader(LONGEST).feed(framed(raw)):
        if isinstance(frame, Frame):
            yield from messages_in(frame.content, NOW, PEER, SITE)


def lines_run(act: Callable[[], object]) -> int:
    """Return how many lines ran, one that a loop comes back to each time."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("killer", KILLERS)
def test_twice_as_long_is_twice_the_work(killer: str) -> None:
    make = KILLERS[killer]
    one, two = make(2000), make(4000)
    list(found_in(one))  # what is found once and remembered costs nothing any more
    less, more = lines_run(lambda: list(found_in(one))), lines_run(lambda: list(found_in(two)))
    assert more <= 2.3 * less + 500


def longest_turn(raw: bytes) -> float:
    """Return for how many seconds a processor was kept from others; they are served between messages of a batch."""
    longest, coming = 0.0, found_in(raw)
    one: object = raw
    while one is not None:
        began = time.thread_time()
        one = next(coming, None)
        longest = max(longest, time.thread_time() - began)
    return longest


@pytest.mark.parametrize("length", [20_000, LONGEST - 200])
@pytest.mark.parametrize("killer", KILLERS)
def test_no_message_holds_up_the_others_for_a_second(killer: str, length: int) -> None:
    raw = KILLERS[killer](length)
    # Caches that others have emptied cost processor time too: what a message costs is the least it was seen to.
    assert any(longest_turn(raw) < 1.0 for _ in range(3))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (RESULTS + b"ZZZ|1\r" * MOST_SEGMENTS, "malformed"),
        (VISIT + SOMEBODY + b"NK1|1|Doe^Bob|SPO\r" * (MOST_LOOKS // 20), "too-long"),
        (VISIT + b"PID|1||" + b"1^^^A~" * MOST_LOOKS, "too-long"),
    ],
)
def test_what_is_too_much_is_rejected(raw: bytes, reason: str) -> None:
    (coming,) = found_in(raw)
    assert coming.refusal is not None
    assert (coming.refusal.verdict, coming.refusal.reason) == ("rejected", reason)


def test_a_report_of_five_hundred_results_is_taken() -> None:
    raw = (
        RESULTS
        + SOMEBODY
        + b"OBR|1|7||1^a^LN\r"
        + b"".join(b"OBX|%d|NM|%d^b^LN||4|mmol/L|3-5|||F\r" % (i, i) for i in range(1, 501))
    )
    (coming,) = found_in(raw)
    assert coming.refusal is None
    assert coming.found is not None
    assert coming.found.mapped is not None
    assert len(coming.found.mapped.resources) > 500
