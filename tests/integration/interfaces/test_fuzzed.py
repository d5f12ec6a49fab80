"""Nonsense on the MLLP port: a clear refusal or a hung-up connection, nothing of it unexplained, and the listener goes on."""

import asyncio
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from fhirserver.wire.hl7v2.mllp import framed
from tests.integration.ingest.test_ingest import Home, clock, home, witness
from tests.integration.interfaces.interface import Interface, code, opened, snapshot
from tests.patience import PATIENCE_SECONDS
from tests.unit.adapters.hl7v2.machine_messages import ALARM, PATIENT, facets, header, message

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here
CODES = {"AA", "AE", "AR", "CA", "CE", "CR"}
ADMISSION = (
    b"MSH|^~\\&|ADT1|CLINIC|||20260801085900+0000||ADT^A04^ADT_A01|a-1|P|2.6\r"
    b"EVN||20260801085900+0000\rPID|1||MRN-7^^^CLINIC^MR||Doe^Ann^M||19610402|F\r"
)
RESULT = (
    b"MSH|^~\\&|LAB|CLINIC|||20260801085900+0000||ORU^R01^ORU_R01|l-1|P|2.5.1\rPID|1||MRN-7^^^CLINIC^MR\r"
    b"OBR|1||4711^LAB|2823-3^Potassium^LN|||20260801080000+0000\rOBX|1|NM|2823-3^Potassium^LN||4.1|mmol/L|3.5-5.1|N|||F\r"
)
ALERT = message(header("ORU^R40^ORU_R40"), PATIENT, "PV1||U", ALARM, *facets()).encode()
GOOD = (snapshot("m-0"), ADMISSION, RESULT, ALERT)
KILLERS = (
    b"", b"\r", b"MSH", b"MSH|", b"MSH|0", b"MSH|^|||||||^A|||2.2\r^AA", b"MSH||||||", b"MSHMSHMSHMSH|",
    b"MSH|^~\\&|A|B|C|D|E|F|G|H|I|J\rPID|||" + b"^" * 5000, b"MSH|||||||||||\rOBX|||||",
    b"MSH|\r\r\r\r|~^&|A", b"MSH|^~\\&#|x||||||ADT^A04|1|P|2.8", b"MSH|^^^^|x||||||ADT^A04|1|P|2.6\rPID|1",
    b"MSH|^~\\&|x||||||ADT^A04|1|P|2.6|||||||UNICODE UTF-16\rPID|1", b"FHS|^~\\&|\rBHS|^~\\&|\rBTS|9\rFTS|9",
    b"<?xml version='1.0'?><ClinicalDocument/>", b'{"resourceType": "Patient"}', b"\x00" * 300, b"\xff\xfeM\x00S\x00H\x00",
    b"MSH|^~\\&|x||||||ORU^R01|1|P|2.6\rOBX|1|NM|158776^^MDC||1e999|mm[Hg]\rOBX|2|NM|158776^^MDC||" + b"9" * 400,
)  # fmt: skip
NOISE = st.binary(max_size=200)
LOOKS_LIKE_IT = st.text('MSHPIDOBXRZ|^~\\&"0123456789.-+\r\n', max_size=200).map(str.encode)


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    """A good message with pieces cut out, doubled or replaced."""
    content = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(content)))
        end = draw(st.integers(begin, min(len(content), begin + 40)))
        piece = draw(st.one_of(NOISE, LOOKS_LIKE_IT, st.just(content[begin:end] * 2), st.just(b"")))
        content = content[:begin] + piece + content[end:]
    return content


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """What comes over one connection, as it is cut into packets."""
    content = st.one_of(st.sampled_from(KILLERS), NOISE, LOOKS_LIKE_IT, mutilated())
    parts = draw(st.lists(st.tuples(content, st.booleans()), min_size=1, max_size=3))
    data = b"".join(framed(one) if is_framed else one for one, is_framed in parts)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


async def _attack(interface: Interface, packets: list[bytes], control_id: str) -> None:
    """Send nonsense and then a message, over another connection where this one was closed."""
    sender = await interface.connect()
    proper = framed(snapshot(control_id))
    try:
        for packet in packets:
            sender.writer.write(packet)
            await sender.writer.drain()
        # Whatever frame the nonsense opened ends here.
        sender.writer.write(b"\x1c\r" + proper)
        answer = await sender.answer()
        while code(answer)[1] != control_id:
            assert code(answer)[0] in CODES, answer
            # Until version 2.5 the reason stands in ERR-1 and MSA-3.
            assert code(answer)[0] in ("AA", "CA") or "\rERR|" in answer, answer
            answer = await sender.answer()
    except (EOFError, ConnectionError):
        await sender.close()
        sender = await interface.connect()
        sender.writer.write(proper)
        answer = await sender.answer()
    assert code(answer) == ("CA", control_id)
    await sender.close()


async def test_nonsense_is_refused_and_the_listener_goes_on(home: Home) -> None:
    numbers = count(1)
    loop = asyncio.get_running_loop()
    async with opened(home) as interface:

        @settings(
            max_examples=120,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(streams())
        def attack(packets: list[bytes]) -> None:
            attacking = _attack(interface, packets, f"good-{next(numbers)}")
            asyncio.run_coroutine_threadsafe(attacking, loop).result(2 * PATIENCE_SECONDS)

        with capture_logs() as logs:
            for killer in KILLERS:
                await _attack(interface, [framed(killer)], f"good-{next(numbers)}")
            await asyncio.to_thread(attack)
        assert [one for one in logs if one["log_level"] in ("error", "critical")] == []
        letters = await home.dead_letters()
        assert "unstorable" not in letters
        assert letters["malformed"] > 10
