"""Alarms that go on are told again over HL7 v2, as they are now, and nothing that is old piles up."""

import asyncio
from datetime import timedelta

import pytest

from fhirserver.kernel.canonical import BACKPORT, TOPIC_DEVICE_ALERT
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.store import hl7_alarms
from fhirserver.wire.hl7v2.message import Message
from subscriptions.channels import hl7v2
from subscriptions.response.enclosures import Enclosures
from tests.contract.mllp_receiver import acknowledgement
from tests.contract.receivers import Manner
from tests.integration.response.conftest import Place
from tests.integration.response.test_hl7v2_channel import (
    ALARMS,
    Interface,
    alarmed,
    interface,
)
from tests.integration.response.test_rest_hook import EHR
from tests.patience import PATIENCE_SECONDS

__all__ = ["interface"]  # fixtures are found by their names here


def beat(seconds: int) -> Json:
    url = BACKPORT + "backport-heartbeat-period"
    return {"extension": [{"url": url, "valueUnsignedInt": seconds}]}


def listening(interface: Interface) -> Place:
    place = interface.place
    interface.channel.enclose(Enclosures(place.parcels._notifications, hl7_alarms.told_by))
    return place


async def minutes(place: Place, number: int) -> None:
    """Let time pass from one repetition to the next."""
    for _ in range(3 * number):
        place.now += timedelta(seconds=20)
        await place.work()


def course(message: Message) -> tuple[str | None, ...]:
    facets = {one.text(3): one.text(5) for one in message.all("OBX")}
    return facets.get("68481"), facets.get("68482")


async def closed(interface: Interface) -> None:
    (task,) = [
        one for one in await interface.place.all("Task") if "partOf" not in one and "focus" in one
    ]
    over = {**task, "status": "completed", "statusReason": {"text": "seen to"}}
    await interface.place.client_put(over, EHR)
    await interface.place.work()


async def test_an_alarm_is_told_again_every_twenty_seconds_until_it_is_over(
    interface: Interface,
) -> None:
    place = listening(interface)
    await alarmed(interface)
    await place.after(61)
    assert [course(one) for one in interface.engine.got] == [
        ("start", "active"),
        *[("continue", "active")] * 3,
    ]
    assert len(set(interface.engine.asked)) == 4
    await place.alarm(end=True)
    await place.after(20)
    assert course(interface.engine.got[-1]) == ("continue", "latched")
    await closed(interface)
    told = len(interface.engine.got)
    assert course(interface.engine.got[-1]) == ("end", "inactive")
    await place.after(60)
    assert len(interface.engine.got) == told
    assert interface.engine.connections == 1


async def test_nobody_is_called_where_nothing_goes_on(interface: Interface) -> None:
    place = listening(interface)
    await interface.subscribe("message: ORU^R40", **ALARMS)
    for writer in interface.engine.writers:
        writer.transport.abort()
    interface.engine.manner = "resets"
    await minutes(place, 12)
    standing = await interface.standing()
    assert (standing.status, standing.failures, interface.engine.connections) == ("active", 0, 1)


@pytest.mark.parametrize("manner", ["resets", "busy", "never-here", "hangs"])
async def test_a_receiver_that_takes_no_repetition_ends_nothing(
    interface: Interface, manner: Manner, monkeypatch: pytest.MonkeyPatch
) -> None:
    if manner == "hangs":
        monkeypatch.setattr(hl7v2, "_AGAIN_SECONDS", 0.02)
    place = listening(interface)
    await alarmed(interface)
    interface.engine.manner = manner
    await minutes(place, 12)
    standing = await interface.standing()
    assert (standing.status, standing.failures, standing.dead_letters) == ("active", 0, 0)
    interface.engine.manner = "takes"
    told = len(interface.engine.got)
    await place.after(20)
    # What could not be said meanwhile is not made up for.
    assert [course(one) for one in interface.engine.got[told:]] == [("continue", "active")]


async def test_an_answer_to_a_repetition_acknowledges_the_alarm(interface: Interface) -> None:
    place = listening(interface)
    await alarmed(interface)
    named = "PRT|1|UC||AT^Attending^HL70912|N-1^Nightingale"
    interface.engine.answering = lambda control_id: [
        acknowledgement(control_id, "AA", named, kind="ORA^R41^ORA_R41")
    ]
    await place.after(21)
    async with asyncio.timeout(PATIENCE_SECONDS):
        (flag,) = await place.all("Flag")
        while not any("alert-answer" in one["url"] for one in flag["extension"]):
            await asyncio.sleep(0.01)
            flag = await place.get("Flag", flag["id"])


async def test_whoever_hears_of_new_alarms_all_the_time_hears_of_old_ones_too(
    interface: Interface,
) -> None:
    place = listening(interface)
    await alarmed(interface)
    for event in ("198262", "198244", "198252", "198264"):
        await place.after(9)
        await place.alarm(event)
    named = [next(one.all("OBX")).text(5) for one in interface.engine.got]
    assert named.count("198260") >= 2


async def test_what_its_owner_may_not_see_is_not_told_again(interface: Interface) -> None:
    place = listening(interface)
    await alarmed(interface)
    (flag,) = await place.all("Flag")
    place.eyes.hidden.add(f"Flag/{flag['id']}")
    await place.after(41)
    assert len(interface.engine.got) == 1


@pytest.mark.parametrize(
    ("seconds", "header", "wish"),
    [
        (9, "message: ORU^R40", ALARMS),
        (31, "message: ORU^R40", ALARMS),
        (20, "message: ORU^R01", {}),
    ],
)
async def test_periods_that_do_not_fit_are_refused(
    interface: Interface, seconds: int, header: str, wish: Json
) -> None:
    with pytest.raises(Unprocessable):
        await interface.place.client_put(interface.wish(header, **wish, **beat(seconds)), EHR)


async def test_a_period_may_be_asked_for(interface: Interface) -> None:
    place = listening(interface)
    await interface.subscribe("message: ORU^R40", **ALARMS, **beat(30))
    async with place.record.transaction(place.tenant) as tx:
        rows = await tx.execute(
            "SELECT heartbeat FROM subscription_cursor WHERE topic = %s", (TOPIC_DEVICE_ALERT,)
        )
    assert [tuple(one) for one in rows] == [(30,)]
