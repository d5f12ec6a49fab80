"""Whoever sent us an alarm by ORU^R40 is told by ORA^R41 what became of it here."""

from typing import Any

from fhirserver.kernel.canonical import TOPIC_ALERT_ANSWER
from fhirserver.kernel.hl7 import AlarmTold
from fhirserver.store import hl7_alarms
from fhirserver.wire.hl7v2.message import Message
from tests.integration.response.conftest import BOB, Place, person, team
from tests.integration.response.test_hl7v2_channel import Interface, interface
from tests.integration.response.test_hl7v2_going_on import closed, listening
from tests.unit.subscriptions.core.hl7v2.notifications import MACHINE

__all__ = ["interface"]  # fixtures are found by their names here

ANSWERS: dict[str, Any] = {
    "topic": TOPIC_ALERT_ANSWER,
    "filters": ("Flag?patient=Patient/ann",),
}


async def told_of(
    place: Place, control_id: str, sender: str = "gateway|SIM_HD^0A1B^EUI-64|"
) -> None:
    """A machine's gateway told of the alarm by this message."""
    async with place.record.transaction(place.tenant) as tx:
        hl7_alarms.remember(
            tx, [AlarmTold("m-ann", "198260:", sender, control_id, "A-1^SIM_HD", place.now)]
        )


async def alarm(interface: Interface, *headers: str) -> Place:
    place = listening(interface)
    await place.put({**MACHINE, "id": "m-ann"}, person("RelatedPerson", "bob", BOB))
    await place.put(team(("RelatedPerson/bob", 1)))
    await place.verify(BOB)
    await interface.subscribe("message: ORA^R41", "sender: gateway", *headers, **ANSWERS)
    await told_of(place, "g-1")
    await place.alarm()
    return place


def said(message: Message) -> tuple[str | None, ...]:
    msa, prt = message.first("MSA"), message.first("PRT")
    assert msa is not None
    assert prt is not None
    answer = next(one.text(5) for one in message.all("OBX") if one.text(3) == "alert-answer")
    return msa.text(2), prt.text(5), answer


async def test_seen_coming_there_and_closed_are_told_in_their_order(interface: Interface) -> None:
    place = await alarm(interface)
    assert interface.engine.got == []
    (page,) = place.pages(BOB, "sms")
    for letter in "ayh":
        await place.writes(BOB, f"{page.code}{letter}")
    await closed(interface)
    assert [said(one) for one in interface.engine.got] == [
        ("g-1", "bob", "acknowledged"),
        ("g-1", "bob", "accepted"),
        ("g-1", "bob", "at-patient"),
        ("g-1", "ehr", "closed"),
    ]
    (first, *_) = interface.engine.got
    assert first.header.raw(9) == "ORA^R41^ORA_R41"
    assert first.header.raw(5) == "SIM_HD^0A1B^EUI-64"


async def test_the_message_that_told_last_is_named(interface: Interface) -> None:
    place = await alarm(interface)
    await told_of(place, "g-2")
    (page,) = place.pages(BOB, "sms")
    await place.writes(BOB, f"{page.code}a")
    assert [said(one)[0] for one in interface.engine.got] == ["g-2"]


async def test_a_gateway_that_is_away_is_told_later_by_the_same_message(
    interface: Interface,
) -> None:
    place = await alarm(interface)
    interface.engine.manner = "resets"
    (page,) = place.pages(BOB, "sms")
    await place.writes(BOB, f"{page.code}y")
    assert (await interface.standing()).failures == 1
    interface.engine.manner = "takes"
    await place.after(2)
    assert [said(one)[2] for one in interface.engine.got] == ["accepted"]
    assert len(set(interface.engine.asked)) == 1
    assert (await interface.standing()).delivered_through == 1


async def test_alarms_of_other_senders_and_of_other_ways_pass(interface: Interface) -> None:
    place = await alarm(interface)
    await told_of(place, "x-1", "another|X|")
    (page,) = place.pages(BOB, "sms")
    await place.writes(BOB, f"{page.code}a")
    assert interface.engine.got == []
    assert (await interface.standing()).lag_events == 0
