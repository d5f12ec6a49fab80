"""What every telephone company must do, and what each does in its own way."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import smpp34

from conformance.load.server import free_port
from simulator.phone_company.records import Faults
from subscriptions.channels.carriers import Carriers
from subscriptions.channels.smpp import Smpp, SmppAccount
from subscriptions.channels.telephony import Refused, Unavailable
from tests.contract.sendings import sending
from tests.contract.telephone_companies import BOB, NUMBER, Door, Ours, by_rest, by_smpp, until
from tests.patience import PATIENCE_SECONDS

CALLBACK = "https://us.example.org/status"
LONG = "Go to the person you care for. " * 9


@pytest.fixture(params=["rest", "smpp", "smpp-tls"])
async def door(request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    """Each company in turn."""
    opened = by_rest() if request.param == "rest" else by_smpp(tls=request.param == "smpp-tls")
    async with opened as found:
        yield found


@pytest.fixture
async def smpp() -> AsyncIterator[Door]:
    """The company by SMPP."""
    async with by_smpp() as found:
        yield found


@pytest.mark.parametrize("text", ["ALERT 7Q2K: go", "Mañana ¿sí? €", LONG, "漢字 " * 50])
async def test_a_text_arrives_as_it_was_written(door: Door, text: str) -> None:
    reference = await door.company.text(BOB, text, CALLBACK)
    await door.settled()
    (message,) = door.inbox()
    assert message.body == text
    assert message.sid == reference


async def test_what_became_of_it_is_reported_under_its_id(door: Door) -> None:
    reference = await door.company.text(BOB, "one", CALLBACK)
    await door.settled()
    name = door.company.name
    assert door.ours.reported == [(name, reference, "sent"), (name, reference, "delivered")]


async def test_a_telephone_out_of_reach_is_reported(door: Door) -> None:
    door.exchange.phone(BOB).reachable = False
    await door.company.text(BOB, "one", CALLBACK)
    await door.settled()
    assert [status for *_, status in door.ours.reported] == ["sent", "undelivered"]


async def test_reports_come_twice_and_in_the_wrong_order_too(door: Door) -> None:
    door.exchange.faults = Faults(duplicate_receipts=True, reorder_receipts=True)
    await door.company.text(BOB, "one", CALLBACK)
    await door.settled()
    said = [status for *_, status in door.ours.reported]
    assert said == ["delivered", "delivered", "sent", "sent"]


async def test_reports_may_be_lost(door: Door) -> None:
    door.exchange.faults = Faults(lose_receipts=True)
    await door.company.text(BOB, "one", CALLBACK)
    await door.settled()
    assert len(door.inbox()) == 1
    assert door.ours.reported == []


async def test_what_is_taken_and_dropped_never_arrives(door: Door) -> None:
    door.exchange.faults = Faults(drop_accepted=1)
    await door.company.text(BOB, "one", CALLBACK)
    await door.settled()
    assert door.inbox() == []
    assert door.ours.reported == []


async def test_a_number_that_cannot_be_is_refused(door: Door) -> None:
    with pytest.raises(Refused) as refused:
        await door.company.text("+15", "one", CALLBACK)
    assert refused.value.cause == "dead-number"


async def test_too_many_at_once_are_not_taken_and_that_is_certain(door: Door) -> None:
    door.exchange.faults = Faults(refuse_429=1)
    with pytest.raises(Unavailable) as away:
        await door.company.text(BOB, "one", CALLBACK)
    assert not away.value.ambiguous
    await door.company.text(BOB, "two", CALLBACK)
    await door.settled()
    assert [message.body for message in door.inbox()] == ["two"]


async def test_an_error_after_taking_it_is_ambiguous(door: Door) -> None:
    door.exchange.faults = Faults(error_after_accept=1)
    with pytest.raises(Unavailable) as away:
        await door.company.text(BOB, "one", CALLBACK)
    assert away.value.ambiguous
    await door.settled()
    assert [message.body for message in door.inbox()] == ["one"]


async def test_an_outage_takes_nothing_and_ends(door: Door) -> None:
    door.exchange.faults = Faults(offline=True)
    with pytest.raises(Unavailable):
        await door.company.text(BOB, "one", CALLBACK)
    assert door.inbox() == []
    door.exchange.faults = Faults()

    async def again() -> None:
        while True:
            try:
                await door.company.text(BOB, "two", CALLBACK)
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return

    await asyncio.wait_for(again(), PATIENCE_SECONDS)
    await door.settled()
    assert [message.body for message in door.inbox()] == ["two"]


async def test_a_slow_company_is_not_waited_for(door: Door) -> None:
    door.exchange.faults = Faults(slow_s=30)
    carriers = Carriers([door.company], asyncio.get_running_loop().time, send_seconds=0.1)
    with pytest.raises(Unavailable) as away:
        await carriers.hand_over(replace(sending(), company=door.company.name))
    assert away.value.ambiguous
    assert carriers.resting() == {door.company.name}


async def test_the_rest_company_finds_what_it_took() -> None:
    since = datetime.now(UTC)
    async with by_rest() as door:
        reference = await door.company.text(BOB, "one", CALLBACK)
        assert await door.company.find_text(BOB, "one", since) == reference
        assert await door.company.find_text(BOB, "other", since) is None
        assert await door.company.find_text(NUMBER, "one", since) is None
        assert await door.company.find_text(BOB, "one", since + timedelta(minutes=1)) is None
        placed = await door.company.call(BOB, "<Response/>", CALLBACK)
        assert await door.company.find_call(BOB, since) == placed
        door.exchange.faults = Faults(offline=True)
        with pytest.raises(Unavailable):
            await door.company.find_text(BOB, "one", since)


async def test_smpp_says_that_it_cannot_look_anything_up(smpp: Door) -> None:
    assert smpp.company.carries == {"sms"}
    with pytest.raises(Unavailable):
        await smpp.company.find_text(BOB, "one", datetime.now(UTC))
    with pytest.raises(Unavailable):
        await smpp.company.call(BOB, "<Response/>", CALLBACK)


@pytest.mark.parametrize("body", ["7Q2Kh", "¡Sí!", "漢字"])
async def test_what_people_write_comes_over_the_line_and_is_answered(smpp: Door, body: str) -> None:
    smpp.ours.answer = "Thank you."
    await smpp.exchange.send_from_phone(smpp.exchange.phone(BOB), body)
    await until(smpp.inbox)
    assert smpp.ours.heard == [(BOB, body)]
    assert [message.body for message in smpp.inbox()] == ["Thank you."]
    await smpp.settled()
    assert smpp.ours.reported == []  # nobody waits for a receipt of an answer


async def test_what_was_not_committed_is_delivered_again(smpp: Door) -> None:
    smpp.ours.fails = 2
    await smpp.exchange.send_from_phone(smpp.exchange.phone(BOB), "STOP")
    assert smpp.ours.heard == [(BOB, "STOP")]


async def test_a_receipt_may_overtake_the_answer_it_belongs_to(smpp: Door) -> None:
    smpp.ours.unknown = 2
    await smpp.company.text(BOB, "one", CALLBACK)
    await smpp.settled()
    assert "delivered" in [status for *_, status in smpp.ours.reported]


async def test_a_line_that_breaks_is_bound_again(smpp: Door) -> None:
    assert smpp.smsc is not None
    company = smpp.company
    assert isinstance(company, Smpp)
    smpp.smsc.cut()
    await until(lambda: not company.is_open)
    await smpp.exchange.send_from_phone(smpp.exchange.phone(BOB), "h")
    await until(lambda: company.is_open)
    assert smpp.ours.heard == [(BOB, "h")]
    await company.text(BOB, "one", CALLBACK)
    await smpp.settled()
    assert len(smpp.inbox()) == 1


async def test_a_wrong_password_opens_no_line(smpp: Door) -> None:
    assert smpp.smsc is not None
    account = SmppAccount("localhost", smpp.smsc.port, "AC1", "wrong", NUMBER, "smpp")
    company, stop = Smpp(account), asyncio.Event()
    serving = asyncio.ensure_future(company.serve(Ours(), stop))
    await asyncio.sleep(0.1)
    assert not company.is_open
    stop.set()
    await serving


async def test_a_certificate_of_others_opens_no_line() -> None:
    async with by_smpp(tls=True) as door:
        assert door.smsc is not None
        account = SmppAccount(
            "localhost", door.smsc.port, "AC1", "secret", NUMBER, "x", ssl.create_default_context()
        )
        company, stop = Smpp(account), asyncio.Event()
        serving = asyncio.ensure_future(company.serve(Ours(), stop))
        await asyncio.sleep(0.2)
        assert not company.is_open
        stop.set()
        await serving


async def test_against_a_message_centre_of_others() -> None:
    """The library's own server, which shares no line of code with ours or the simulator's."""
    port = free_port()
    server = smpp34.Server("127.0.0.1", port, system_id="others")
    await server.start()
    ours, stop = Ours(answer="Thank you."), asyncio.Event()
    company = Smpp(SmppAccount("127.0.0.1", port, "clinic", "secret", NUMBER, "smpp"))
    serving = asyncio.ensure_future(company.serve(ours, stop))
    session = await asyncio.wait_for(server.next(), PATIENCE_SECONDS)
    assert isinstance(session, smpp34.Esme)
    await until(lambda: company.is_open)

    sending = asyncio.ensure_future(company.text(BOB, "ALERT 7Q2K: ñ", CALLBACK))
    taken = await asyncio.wait_for(server.next(), PATIENCE_SECONDS)
    assert isinstance(taken, smpp34.SubmitSmEvent)
    assert (taken.destination_addr, taken.short_message) == (BOB[1:], b"ALERT 7Q2K: \x7d")
    taken.accept("m-1")
    assert await sending == "m-1"

    receipt = b"id:m-1 sub:001 dlvrd:001 submit date:2608010930 done date:2608010930 stat:DELIVRD"
    told = await session.deliver_sm(
        NUMBER[1:], receipt, source_addr=BOB[1:], esm_class=4, source_addr_ton=1
    )
    assert told.is_success
    assert ours.reported == [("smpp", "m-1", "delivered")]

    writing = asyncio.ensure_future(
        session.deliver_sm(NUMBER[1:], b"7Q2Kh", source_addr=BOB[1:], source_addr_ton=1)
    )
    answer = await asyncio.wait_for(server.next(), PATIENCE_SECONDS)
    assert isinstance(answer, smpp34.SubmitSmEvent)
    assert (answer.short_message, answer.registered_delivery) == (b"Thank you.", 0)
    answer.accept("m-2")
    assert (await writing).is_success
    assert ours.heard == [(BOB, "7Q2Kh")]

    refused = asyncio.ensure_future(company.text(BOB, "x", CALLBACK))
    asked = await asyncio.wait_for(server.next(), PATIENCE_SECONDS)
    assert isinstance(asked, smpp34.SubmitSmEvent)
    asked.reject(smpp34.ESME_RINVDSTADR)  # type: ignore[attr-defined]
    with pytest.raises(Refused):
        await refused
    stop.set()
    await serving
    await server.stop()
