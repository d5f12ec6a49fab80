"""What HL7 v2 over MLLP promises beyond other channels: order, one message in flight, a kept connection, TLS, who is called."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import hl7
import hl7.mllp
import pytest
import trustme

from subscriptions.channels import hl7v2
from subscriptions.channels.channel import Failure
from subscriptions.channels.hl7v2 import PAYLOAD, HL7v2
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.payload import render
from tests.contract.mllp_receiver import acknowledgement, mllp_receiver
from tests.contract.receivers import certificate
from tests.contract.sending import ANYWHERE, NAME, ONLY_ONE, Stub, sending
from tests.contract.test_channels import observed, parcel
from tests.patience import PATIENCE_SECONDS

HEADERS = ("message: ORU^R01",)


@asynccontextmanager
async def speaking(policy: EndpointPolicy = ANYWHERE, **options: Any) -> AsyncIterator[HL7v2]:
    async with sending(policy, **options) as egress:
        channel = HL7v2(egress)
        try:
            yield channel
        finally:
            await channel.close()


async def tell(channel: HL7v2, endpoint: str, number: int = 7, **changes: Any) -> Failure | None:
    body = render(observed(number), "application/fhir+json")
    wanted = {"headers": HEADERS, "body": body, "first": number, "last": number, **changes}
    return await channel.deliver(parcel(channel, endpoint, PAYLOAD, **wanted))


async def test_one_message_is_in_flight_and_the_order_is_kept() -> None:
    waiting: list[str] = []
    most = 0

    def answer(control_id: str) -> list[str]:
        nonlocal most
        waiting.append(control_id)
        most = max(most, len(waiting))
        asyncio.get_running_loop().call_later(0.002, later, control_id)
        return []

    def later(control_id: str) -> None:
        waiting.remove(control_id)
        receiver.say(acknowledgement(control_id))

    async with speaking() as channel, mllp_receiver() as receiver:
        receiver.answering = answer
        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                tasks.create_task(tell(channel, receiver.url, number))
                await asyncio.sleep(0)
        assert [one.split(".")[1] for one in receiver.asked] == [str(n) for n in range(20)]
        assert (most, receiver.connections) == (1, 1)


async def test_an_accept_and_an_application_answer_are_one_answer() -> None:
    async with speaking() as channel, mllp_receiver() as receiver:
        receiver.answering = lambda c: [acknowledgement(c, "CA"), acknowledgement(c, "AA")]
        for number in range(3):
            assert await tell(channel, receiver.url, number) is None
        assert receiver.connections == 1


async def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    async with speaking() as channel, mllp_receiver() as receiver:
        assert await tell(channel, receiver.url) is None
        receiver.writers[-1].close()
        await receiver.left.wait()
        (destination,) = channel._destinations.values()
        assert destination.line is not None
        while destination.line.is_open:  # noqa: ASYNC110 - a line tells nobody
            await asyncio.sleep(0.005)
        assert await tell(channel, receiver.url) is None
        assert receiver.connections == 2


async def test_who_is_out_of_step_is_called_anew() -> None:
    async with speaking() as channel, mllp_receiver() as receiver:
        receiver.answering = lambda _: [acknowledgement("of-somebody-else")]
        failure = await tell(channel, receiver.url)
        assert failure is not None
        assert (failure.verdict, failure.reason) == (
            "try-again",
            "the answer is to another message",
        )
        receiver.answering = None
        assert await tell(channel, receiver.url) is None
        assert receiver.connections == 2


async def test_an_answer_too_late_is_none_to_the_next_message() -> None:
    async with speaking() as channel, mllp_receiver() as receiver:
        assert await tell(channel, receiver.url, 1) is None
        receiver.answering = lambda _: []
        failure = await tell(channel, receiver.url, 2, timeout_seconds=0.1)
        assert failure is not None
        assert "in time" in failure.reason
        receiver.answering = None
        assert await tell(channel, receiver.url, 3) is None
        assert (
            receiver.connections == 2
        )  # what comes late comes over a connection nobody listens to


async def test_tenants_do_not_share_a_connection() -> None:
    async with speaking() as channel, mllp_receiver() as receiver:
        for tenant in (1, 2, 1):
            assert await tell(channel, receiver.url, tenant=tenant) is None
        assert receiver.connections == 2


async def test_a_connection_nobody_uses_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking() as channel, mllp_receiver() as first, mllp_receiver() as other:
        assert await tell(channel, first.url) is None
        monkeypatch.setattr(hl7v2, "KEPT_SECONDS", -1.0)
        channel._next_look = 0.0  # as if time had passed
        assert await tell(channel, other.url) is None
        async with asyncio.timeout(PATIENCE_SECONDS):
            await first.left.wait()


async def test_tls_asks_for_the_name_and_an_authority_that_is_trusted(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    stub = Stub([["127.0.0.1"]])
    async with (
        speaking(ONLY_ONE, tls=trusting, stub=stub) as channel,
        mllp_receiver(tls=certificate(authority, NAME)) as right,
        mllp_receiver(tls=certificate(authority, "other.example.org")) as wrong,
        mllp_receiver(tls=certificate(trustme.CA(), NAME)) as strange,
        mllp_receiver() as plain,
    ):
        assert await tell(channel, f"mllps://{NAME}:{right.port}") is None
        for receiver in (wrong, strange, plain):
            failure = await tell(channel, f"mllps://{NAME}:{receiver.port}", timeout_seconds=2)
            assert failure is not None
            assert failure.verdict == "try-again"
            assert receiver.got == []


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["127.0.0.1", "169.254.169.254"], []])
async def test_only_allowed_addresses_are_called(
    addresses: list[str], trusting: ssl.SSLContext
) -> None:
    async with (
        speaking(ONLY_ONE, tls=trusting, stub=Stub([addresses])) as channel,
        mllp_receiver() as receiver,
    ):
        failure = await tell(channel, f"mllps://{NAME}:{receiver.port}")
        assert failure is not None
        assert "address" in failure.reason
        assert receiver.connections == 0


async def test_plain_mllp_is_refused_at_delivery_as_well(trusting: ssl.SSLContext) -> None:
    async with (
        speaking(ONLY_ONE, tls=trusting, stub=Stub([["127.0.0.1"]])) as channel,
        mllp_receiver() as receiver,
    ):
        assert await tell(channel, f"mllp://{NAME}:{receiver.port}") is not None
        assert receiver.connections == 0


async def test_a_handshake_is_a_connection_without_a_message() -> None:
    async with speaking() as channel, mllp_receiver() as receiver:
        assert await tell(channel, receiver.url, kind="handshake", first=None, last=None) is None
        assert (receiver.connections, receiver.asked) == (1, [])
    failure = await tell(channel, receiver.url, kind="handshake", first=None, last=None)
    assert failure is not None


async def test_a_receiver_made_by_others_takes_it() -> None:
    got: list[hl7.Message] = []
    over = asyncio.Event()

    async def serve(reader: Any, writer: Any) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                message = await reader.readmessage()
                got.append(message)
                writer.writemessage(message.create_ack())
                await writer.drain()
        writer.close()
        over.set()

    server = await hl7.mllp.start_hl7_server(serve, "127.0.0.1", 0, encoding="utf-8")
    port = server.sockets[0].getsockname()[1]
    async with speaking() as channel:
        for number in (1, 2):
            assert await tell(channel, f"mllp://127.0.0.1:{port}", number) is None
    async with asyncio.timeout(PATIENCE_SECONDS):
        await over.wait()
    server.close()
    await server.wait_closed()
    assert [str(one.segment("OBX")[5]) for one in got] == ["1", "2"]


async def test_what_cannot_be_written_holds_up_nothing() -> None:
    odd = observed()
    odd["entry"][1]["resource"]["component"] = ["not a component"]
    async with speaking() as channel, mllp_receiver() as receiver:
        body = render(odd, "application/fhir+json")
        failure = await tell(channel, receiver.url, body=body)
        assert failure is not None
        assert failure.verdict == "never-this"
        assert await tell(channel, receiver.url) is None
