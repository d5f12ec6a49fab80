"""The MLLP listener over real sockets: framing, order, answers after the commit, bounds, and an end without loss."""

import asyncio

import pytest

from adapters.hl7v2.connection import Bounds
from fhirserver.wire.hl7v2.mllp import framed
from tests.integration.ingest.test_ingest import Home, clock, home, witness
from tests.integration.interfaces.interface import (
    Interface,
    code,
    faults,
    opened,
    original,
    snapshot,
)
from tests.patience import PATIENCE_SECONDS
from tests.unit.adapters.hl7v2.machine_messages import MMHG, obx

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here


async def test_a_message_is_in_the_record_when_it_is_answered(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        answer = await sender.send(snapshot("m-1"))
        assert code(answer) == ("CA", "m-1")
        assert len(await home.observations()) == 1
        assert await interface.messages() == [("m-1", "accepted", "", 1)]
        await sender.close()


async def test_the_original_mode_is_answered_by_an_application_accept(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        assert code(await sender.send(original(snapshot("m-1")))) == ("AA", "m-1")
        await sender.close()


async def test_bytes_may_come_one_by_one(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        for byte in framed(snapshot("m-1")):
            sender.writer.write(bytes([byte]))
            await sender.writer.drain()
        assert code(await sender.answer()) == ("CA", "m-1")
        await sender.close()


async def test_messages_that_come_together_are_answered_in_order(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        names = [f"m-{number}" for number in range(5)]
        sender.writer.write(b"".join(framed(snapshot(one)) for one in names))
        assert [code(await sender.answer())[1] for _ in names] == names
        assert len(await home.observations()) == 5
        await sender.close()


async def test_a_message_sent_again_is_answered_again_and_stored_once(home: Home) -> None:
    async with opened(home) as interface:
        first = await interface.connect()
        first.writer.write(framed(snapshot("m-1")))
        await first.answer()
        await first.close()
        second = await interface.connect()
        assert code(await second.send(snapshot("m-1"))) == ("CA", "m-1")
        later = snapshot("m-1").replace(b"20260801090000+0000||ORU", b"20260801090500+0000||ORU")
        assert code(await second.send(later)) == ("CA", "m-1")
        assert len(await home.observations()) == 1
        await second.close()


async def test_the_same_message_over_two_connections_at_once_is_stored_once(home: Home) -> None:
    async with opened(home) as interface:
        senders = [await interface.connect() for _ in range(4)]
        answers = await asyncio.gather(*(one.send(snapshot("m-1")) for one in senders))
        assert {code(one) for one in answers} == {("CA", "m-1")}
        assert len(await home.observations()) == 1
        for one in senders:
            await one.close()


async def test_another_message_with_a_known_control_id_is_refused(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        await sender.send(snapshot("m-1"))
        other = snapshot("m-1", obx("158744^^MDC", "12", unit=MMHG))
        answer = await sender.send(other)
        assert code(answer) == ("CE", "m-1")
        assert faults(answer) == [("205", "E")]
        assert await home.dead_letters() == {"duplicate-control-id": 1}
        assert await interface.messages() == [("m-1", "accepted", "", 1)]
        await sender.close()


@pytest.mark.parametrize(
    "raw", [b"", b"MSH|0", b"MSH", b"<xml/>", b"MSH|^|||||||^A|||2.2\r^AA", b"PID|1\rMSH|^~\\&|\r"]
)
async def test_what_is_no_message_is_rejected_and_the_next_one_is_taken(
    home: Home, raw: bytes
) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        assert code(await sender.send(raw))[0] == "AR"
        assert code(await sender.send(snapshot("m-1"))) == ("CA", "m-1")
        assert sum((await home.dead_letters()).values()) == 1
        await sender.close()


async def test_a_message_that_is_too_long_is_rejected_and_the_next_one_is_taken(home: Home) -> None:
    async with opened(home, Bounds(1000, PATIENCE_SECONDS, PATIENCE_SECONDS)) as interface:
        sender = await interface.connect()
        long = snapshot("m-1", *[obx("158744^^MDC", "12", unit=MMHG)] * 50)
        assert code(await sender.send(long)) == ("AR", "")
        assert code(await sender.send(snapshot("m-2"))) == ("CA", "m-2")
        assert await home.dead_letters() == {"too-long": 1}
        await sender.close()


async def test_half_a_message_leaves_nothing(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        sender.writer.write(framed(snapshot("m-1"))[:100])
        await sender.writer.drain()
        await sender.close()
        again = await interface.connect()
        assert code(await again.send(snapshot("m-1"))) == ("CA", "m-1")
        assert await interface.messages() == [("m-1", "accepted", "", 1)]
        assert await home.dead_letters() == {}
        await again.close()


@pytest.mark.parametrize("half", [b"", framed(snapshot("m-1"))[:50]])
async def test_who_is_silent_for_too_long_is_hung_up_on(home: Home, half: bytes) -> None:
    idle, pause = (0.2, PATIENCE_SECONDS) if not half else (PATIENCE_SECONDS, 0.2)
    async with opened(home, Bounds(100_000, idle, pause)) as interface:
        sender = await interface.connect()
        sender.writer.write(half)
        assert await sender.is_hung_up_on()
        await sender.close()


async def test_whoever_does_not_speak_mllp_is_hung_up_on(home: Home) -> None:
    async with opened(home, Bounds(1000, PATIENCE_SECONDS, PATIENCE_SECONDS)) as interface:
        sender = await interface.connect()
        sender.writer.write(b"GET / HTTP/1.1\r\n" * 100)
        assert await sender.is_hung_up_on()
        await sender.close()


async def test_only_so_many_may_be_connected(home: Home) -> None:
    async with opened(home, connections=1) as interface:
        first = await interface.connect()
        await first.send(snapshot("m-1"))
        second = await interface.connect()
        assert await second.is_hung_up_on()
        assert code(await first.send(snapshot("m-2"))) == ("CA", "m-2")
        await first.close()
        await second.close()


async def test_the_end_answers_what_is_under_way_and_hangs_up_on_the_others(home: Home) -> None:
    async with opened(home) as interface:
        idle, busy = await interface.connect(), await interface.connect()
        await idle.send(snapshot("m-0"))
        async with home.record.transaction(1) as tx:
            # The machine's stream is locked here, so its message waits for us.
            await tx.execute("SELECT 1 FROM device_stream FOR UPDATE")
            busy.writer.write(framed(snapshot("m-1")))
            await _until_waiting(interface)
            stopping = asyncio.create_task(interface.listener.stop())
            assert await idle.is_hung_up_on()
        await stopping
        assert code(await busy.answer()) == ("CA", "m-1")
        await idle.close()
        await busy.close()


async def _until_waiting(interface: Interface) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with interface.home.record.work(1) as tx:
                rows = await tx.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
            if rows:
                return
            await asyncio.sleep(0.02)
