"""Subscriptions over HL7 v2: from the write of a client to what a receiver over TLS has acknowledged."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pytest
import trustme

from fhirserver.kernel.canonical import (
    ALERT_IDENTIFIER,
    BACKPORT,
    CHANNEL_TYPES,
    TOPIC_ADMISSION,
    TOPIC_DEVICE_ALERT,
    TOPIC_PATIENT_OBSERVATION,
)
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.message import Message
from subscriptions.channels.channel import Channel
from subscriptions.channels.egress import Egress
from subscriptions.channels.hl7v2 import PAYLOAD, HL7v2
from subscriptions.channels.status_back import StatusBack
from subscriptions.response.acknowledgements import Acknowledgements
from subscriptions.store import alert_rows, standing_rows
from subscriptions.store.standing_rows import Standing
from tests.contract.mllp_receiver import MllpReceiver, acknowledgement, mllp_receiver
from tests.contract.receivers import certificate
from tests.contract.sending import NAME, ONLY_ONE, Stub
from tests.integration.response.conftest import BOB, Place, person, team
from tests.integration.response.test_rest_hook import EHR, subscription
from tests.patience import PATIENCE_SECONDS
from tests.unit.subscriptions.core.hl7v2.notifications import CONTEXT, EUI, MACHINE, measured

CODING = {"system": CHANNEL_TYPES, "code": "hl7v2"}


@dataclass
class Interface:
    """A clinic, and an integration engine it is connected with."""

    place: Place
    engine: MllpReceiver
    channel: HL7v2

    @property
    def endpoint(self) -> str:
        return f"mllps://{NAME}:{self.engine.port}"

    def wish(
        self,
        *headers: str,
        topic: str = TOPIC_PATIENT_OBSERVATION,
        filters: tuple[str, ...] = ("Observation?patient=Patient/ann",),
        **channel: Any,
    ) -> Json:
        asked = subscription(
            content="full-resource",
            filters=filters,
            url=self.endpoint,
            channel={
                "_type": {
                    "extension": [
                        {"url": BACKPORT + "backport-channel-type", "valueCoding": CODING}
                    ]
                },
                "payload": PAYLOAD,
                "header": list(headers or ("message: ORU^R01", "MSH-5: EHR")),
                **channel,
            },
        )
        return {**asked, "criteria": topic}

    async def subscribe(self, *headers: str, **wish: Any) -> None:
        await self.place.client_put(self.wish(*headers, **wish), EHR)
        await self.place.work()
        assert (await self.standing()).status == "active"

    async def standing(self) -> Standing:
        async with self.place.record.transaction(self.place.tenant) as tx:
            found = await standing_rows.of(tx, "s1")
        assert found is not None
        return found

    async def measure(self, *resources: Json) -> None:
        await self.place.put(*resources)


@pytest.fixture
async def interface(bare: Place) -> AsyncIterator[Interface]:
    """Ann on a machine, nobody else; the engine's certificate is of an authority that is trusted."""
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    egress = Egress(ONLY_ONE, resolver=Stub([["127.0.0.1"]]), tls=trusting)
    channel = HL7v2(egress)
    cast("dict[str, Channel]", bare.channels)[channel.code] = channel
    async with asyncio.timeout(4 * PATIENCE_SECONDS):
        async with mllp_receiver(tls=certificate(authority, NAME)) as engine:
            await bare.put(*CONTEXT)
            yield Interface(bare, engine, channel)
            await channel.close()
        await egress.close()


def values(message: Message) -> dict[str | None, str | None]:
    return {one.text(3): one.text(5) for one in message.all("OBX") if one.text(2) == "NM"}


async def test_what_a_machine_measured_is_acknowledged_and_done_with(interface: Interface) -> None:
    await interface.subscribe()
    await interface.measure(
        measured("158776", Decimal("162.0"), "o1"), measured("158744", Decimal(-130), "o2")
    )
    (message,) = interface.engine.got
    assert values(message) == {"158776": "162.0", "158744": "-130"}
    assert (message.header.raw(5), message.header.raw(9)) == ("EHR", "ORU^R01^ORU_R01")
    assert next(one.raw(18) for one in message.all("OBX")) == f"{EUI}^^{EUI}^EUI-64"
    assert message.first("PID") is not None
    standing = await interface.standing()
    assert (standing.last_number, standing.delivered_through, standing.failures) == (2, 2, 0)
    await interface.measure(measured("158776", Decimal(163), "o3"))
    assert [values(one).get("158776") for one in interface.engine.got] == ["162.0", "163"]
    assert interface.engine.connections == 1  # the handshake's is kept


async def test_a_notification_of_many_moments_is_many_messages_in_order(
    interface: Interface,
) -> None:
    await interface.subscribe()
    several = [
        measured("158776", Decimal(n), f"o{n}", at=f"2026-08-01T09:30:{n:02}Z") for n in range(12)
    ]
    await interface.measure(*several)
    assert [values(one)["158776"] for one in interface.engine.got] == [str(n) for n in range(12)]
    assert len(set(interface.engine.asked)) == 12


async def test_a_receiver_that_is_away_is_told_later_with_the_same_control_id(
    interface: Interface,
) -> None:
    await interface.subscribe()
    interface.engine.manner = "resets"
    await interface.measure(measured("158776", Decimal(1), "o1"))
    assert (await interface.standing()).failures == 1
    interface.engine.manner = "takes"
    await interface.place.after(2)
    assert [values(one)["158776"] for one in interface.engine.got] == ["1"]
    assert len(interface.engine.asked) == 2
    assert len(set(interface.engine.asked)) == 1
    assert (await interface.standing()).delivered_through == 1


async def test_what_was_taken_is_not_sent_again_with_the_rest(interface: Interface) -> None:
    await interface.subscribe()
    refusing = {"2"}

    def answer(control_id: str) -> list[str]:
        number = control_id.split(".")[1]
        return [acknowledgement(control_id, "AE" if number in refusing else "AA")]

    interface.engine.answering = answer
    several = [
        measured("158776", Decimal(n), f"o{n}", at=f"2026-08-01T09:30:{n:02}Z") for n in range(3)
    ]
    await interface.measure(*several)
    refusing.clear()
    await interface.place.after(2)
    told = [one.split(".")[1] for one in interface.engine.asked]
    assert told == ["1", "2", "2", "3"]
    assert (await interface.standing()).delivered_through == 3


@pytest.mark.parametrize("code", ["AE", "CE"])
async def test_set_aside_goes_on_with_the_next(interface: Interface, code: str) -> None:
    await interface.subscribe("message: ORU^R01", "on-AE: set-aside")

    def answer(control_id: str) -> list[str]:
        return [acknowledgement(control_id, code if ".2." in control_id else "CA")]

    interface.engine.answering = answer
    several = [
        measured("158776", Decimal(n), f"o{n}", at=f"2026-08-01T09:30:{n:02}Z") for n in range(4)
    ]
    await interface.measure(*several)
    standing = await interface.standing()
    assert (standing.delivered_through, standing.dead_letters, standing.status) == (4, 1, "active")
    assert [one.split(".")[1] for one in interface.engine.asked] == ["1", "2", "3", "4"]


async def test_stop_is_an_error_at_once(interface: Interface) -> None:
    await interface.subscribe("message: ORU^R01", "on-AR: stop")
    interface.engine.answering = lambda control_id: [acknowledgement(control_id, "AR")]
    await interface.measure(measured("158776", Decimal(1), "o1"))
    stored = await interface.place.get("Subscription", "s1")
    assert stored["status"] == "error"
    assert "answered AR" in stored["error"]


@pytest.mark.parametrize("answer", ["MSH|^~\\&|\rMSA|AA|somebody-else\r", "hello", "MSH|^~\\&\r"])
async def test_an_answer_that_is_none_is_tried_again(interface: Interface, answer: str) -> None:
    await interface.subscribe()
    interface.engine.answering = lambda _: [answer]
    await interface.measure(measured("158776", Decimal(1), "o1"))
    standing = await interface.standing()
    assert (standing.delivered_through, standing.failures) == (0, 1)
    interface.engine.answering = None
    await interface.place.after(2)
    assert (await interface.standing()).delivered_through == 1


async def test_nobody_is_told_what_its_owner_may_not_see(interface: Interface) -> None:
    await interface.subscribe()
    interface.place.eyes.hidden.add("Patient/ann")
    await interface.measure(measured("158776", Decimal(1), "o1"))
    (message,) = interface.engine.got
    assert message.first("PID") is None
    interface.place.eyes.hidden.add("Observation/o2")
    await interface.measure(measured("158776", Decimal(2), "o2"))
    assert len(interface.engine.got) == 1
    assert (await interface.standing()).lag_events == 0


@pytest.mark.parametrize(
    ("wish", "place"),
    [
        ({"endpoint": "mllp://ehr.example.org:2575"}, "endpoint"),
        ({"endpoint": "mllps://ehr.example.org"}, "endpoint"),
        ({"endpoint": "mllps://ehr.example.org:2575/x"}, "endpoint"),
        ({"endpoint": "mllps://10.0.0.1:2575"}, "endpoint"),
        ({"payload": "application/fhir+json"}, "payload"),
        ({"header": []}, "header"),
        ({"header": ["message: ADT"]}, "header"),
        ({"header": ["message: ORU^R01", "Authorization: Bearer x"]}, "header"),
        ({"header": ["message: ORU^R01", "on-AE: shrug"]}, "header"),
        ({"header": ["message: ORU^R01", "MSH-5: a|b"]}, "header"),
        ({"header": ["message: ORU^R01", "message: ORU^R01"]}, "header"),
        (
            {
                "extension": [
                    {"url": BACKPORT + "backport-heartbeat-period", "valueUnsignedInt": 60}
                ]
            },
            "extension",
        ),
        (
            {
                "_payload": {
                    "extension": [
                        {"url": BACKPORT + "backport-payload-content", "valueCode": "id-only"}
                    ]
                }
            },
            "payload",
        ),
    ],
)
async def test_what_cannot_be_served_is_refused(
    interface: Interface, wish: Json, place: str
) -> None:
    with pytest.raises(Unprocessable) as refusal:
        await interface.place.client_put(interface.wish(**wish), EHR)
    assert {one.expression for one in refusal.value.problems} == {f"Subscription.channel.{place}"}


ALARMS: dict[str, Any] = {"topic": TOPIC_DEVICE_ALERT, "filters": ("Flag?patient=Patient/ann",)}
NAMED = "PRT|1|UC||AT^Attending^HL70912|N-1^Nightingale"


async def alarmed(interface: Interface, event: str = "198260") -> None:
    """The engine is told of an alarm of Ann's machine; Bob is rung as well."""
    place = interface.place
    await place.put({**MACHINE, "id": "m-ann"}, person("RelatedPerson", "bob", BOB))
    await place.put(team(("RelatedPerson/bob", 1)))
    await place.verify(BOB)
    back = StatusBack(
        Acknowledgements(place.response.ladders, place.eyes), place.record.work, place.clock
    )
    interface.channel.listen(back)
    await interface.subscribe("message: ORU^R40", **ALARMS)
    await place.alarm(event)


async def responses(interface: Interface) -> list[str]:
    """Return how the alerts of Ann stand, and whether they are still rung for."""
    (flag,) = await interface.place.all("Flag")
    (alert,) = [
        UUID(one["value"]) for one in flag["identifier"] if one["system"] == ALERT_IDENTIFIER
    ]
    async with interface.place.record.transaction(interface.place.tenant) as tx:
        found = await alert_rows.by_id(tx, alert, lock=False)
    assert found is not None
    return [found.response, "open" if found.is_open else "closed"]


async def test_an_alarm_is_told_with_its_device_and_later_with_its_end(
    interface: Interface,
) -> None:
    await alarmed(interface)
    (message,) = interface.engine.got
    kind = next(message.all("OBX"))
    assert kind.raw(5) == "198260^MDC_EVT_HDIALY_SAFETY_VEN_ACCESS^MDC"
    assert kind.raw(18) == f"{EUI}^^{EUI}^EUI-64"
    (task,) = [
        one for one in await interface.place.all("Task") if "partOf" not in one and "focus" in one
    ]
    await interface.place.client_put(
        {**task, "status": "completed", "statusReason": {"text": "seen to"}}, EHR
    )
    await interface.place.work()
    phases = [
        obx.text(5)
        for one in interface.engine.got
        for obx in one.all("OBX")
        if obx.text(3) == "68481"
    ]
    assert phases == ["start", "end"]


async def test_somebody_who_acknowledged_in_the_answer_is_written_down_and_ends_nothing(
    interface: Interface,
) -> None:
    interface.engine.answering = lambda control_id: [
        acknowledgement(control_id, "CA"),
        acknowledgement(control_id, "AA", NAMED, kind="ORA^R41^ORA_R41"),
    ]
    await alarmed(interface)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await responses(interface))[0] != "acknowledged":  # noqa: ASYNC110 - the answer comes behind the accept
            await asyncio.sleep(0.01)
    assert await responses(interface) == ["acknowledged", "open"]
    rung = len(interface.place.pages(BOB))
    await interface.place.after(31)
    assert len(interface.place.pages(BOB)) > rung  # a tap far away silences nobody at home


async def test_a_later_word_is_written_down_once_and_answered_where_it_asks(
    interface: Interface,
) -> None:
    await alarmed(interface)
    (control_id,) = interface.engine.asked
    later = acknowledgement(control_id, "AA", "OBX|1|ST|68483^x^MDC|1|alert-acknowledged||||||F")
    later = later.replace("||ACK|", "||ORA^R42^ORA_R42|").replace("|P|2.6", "|P|2.6|||AL|NE")
    for text in (later, later, later.replace(control_id, "s1.99.abc")):
        interface.engine.say(text)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(interface.engine.answers) < 3:  # noqa: ASYNC110 - answers come over a connection
            await asyncio.sleep(0.01)
    assert [one.split("|")[1] for one in interface.engine.answers] == ["CA", "CA", "CE"]
    assert await responses(interface) == ["acknowledged", "open"]


async def test_whoever_may_not_see_an_alarm_any_more_acknowledges_nothing(
    interface: Interface,
) -> None:
    await alarmed(interface)
    (flag,) = await interface.place.all("Flag")
    interface.place.eyes.hidden.add(f"Flag/{flag['id']}")
    answers = Acknowledgements(interface.place.response.ladders, interface.place.eyes)
    async with interface.place.record.transaction(interface.place.tenant) as tx:
        (control_id,) = interface.engine.asked
        assert not await answers.acknowledged(tx, control_id, "")
        for other in ("s1.1.zzz", "s1.1-2.abc", "nobody.1.abc", "", "x"):
            assert not await answers.acknowledged(tx, other, "")
        interface.place.eyes.hidden.clear()
        assert await answers.acknowledged(tx, control_id, "Nightingale")
    assert (await responses(interface))[0] == "acknowledged"


async def test_a_stay_is_told_as_adt(interface: Interface) -> None:
    await interface.subscribe(
        "message: ADT", topic=TOPIC_ADMISSION, filters=("patient=Patient/ann",)
    )
    stay: Json = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/ann"},
    }
    await interface.place.put(stay)
    await interface.place.put({**stay, "status": "finished"})
    assert [one.header.raw(9) for one in interface.engine.got] == [
        "ADT^A01^ADT_A01",
        "ADT^A03^ADT_A03",
    ]
    assert [one.raw(19) for one in (m.first("PV1") for m in interface.engine.got) if one] == [
        "e1^^^&https://w3id.org/fhirserver/NamingSystem/resource-id&URI^VN"
    ] * 2
