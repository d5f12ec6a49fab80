"""Two listeners over one record, as two processes have them: a message has its effect once, whoever takes it."""

import asyncio
import socket

from fhirserver.kernel.hl7 import ComingMessage, Settled
from fhirserver.store.hl7_messages import HeldMessages
from tests.integration.ingest.test_ingest import Home, clock, home, witness
from tests.integration.interfaces.interface import NOW, code, opened, snapshot
from tests.patience import PATIENCE_SECONDS
from tests.unit.adapters.hl7v2.machine_messages import EUI

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here

SENDER = f"default|SIM_HD^{EUI}^EUI-64|"


async def waits_for_another(home: Home) -> None:
    """Return when somebody waits for what a transaction has not committed yet."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with home.record.transaction(1) as tx:
                ((waiting,),) = await tx.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if waiting:
                return
            await asyncio.sleep(0.01)


async def test_the_same_message_over_both_at_once_is_stored_once(home: Home) -> None:
    async with opened(home) as one, opened(home) as other:
        senders = [await interface.connect() for interface in (one, other)]
        for number in range(10):
            raw = snapshot(f"m-{number}")
            answers = await asyncio.gather(*(sender.send(raw) for sender in senders))
            assert {code(answer) for answer in answers} == {("CA", f"m-{number}")}
        assert len(await home.observations()) == 10
        for sender in senders:
            await sender.close()


async def test_whoever_is_second_takes_back_what_it_did_and_answers_what_the_first_found(
    home: Home,
) -> None:
    held, raw = HeldMessages(), snapshot("m-1")
    coming = ComingMessage(SENDER, "m-1", "ORU^R01", raw, NOW)
    async with opened(home) as interface:
        sender = await interface.connect()
        async with home.record.transaction(1) as tx:
            (claim,) = await held.claim(tx, [coming])
            await held.settle(tx, [Settled(claim, "accepted", "", {}, raw)])
            assert await tx.execute("SELECT count(*) FROM hl7_message") == [(1,)]
            answer = asyncio.create_task(sender.send(raw))
            await waits_for_another(home)
        assert code(await answer) == ("CA", "m-1")
        assert await home.observations() == []
        assert await interface.messages() == [("m-1", "accepted", "", 1)]
        await sender.close()


async def test_processes_that_share_a_port_listen_there_together(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as held:
        port = held.getsockname()[1]
        async with opened(home, port=port) as one, opened(home, port=port) as other:
            assert one.listener.port == other.listener.port == port
            # Nobody accepts on the socket that only held the port, so that it must go before anybody connects.
            held.close()
            for number in range(8):
                sender = await one.connect()
                assert code(await sender.send(snapshot(f"m-{number}"))) == ("CA", f"m-{number}")
                await sender.close()
    assert len(await home.observations()) == 8
