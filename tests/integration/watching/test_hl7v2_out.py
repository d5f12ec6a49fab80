"""A wired server tells an engine of an alarm over HL7 v2 and takes back who acknowledged it."""

import asyncio
from datetime import timedelta

from fhirserver.kernel.canonical import BACKPORT, CHANNEL_TYPES, TOPIC_DEVICE_ALERT
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.readings import DeviceEvent
from fhirserver.kernel.resource import Json
from subscriptions.channels.hl7v2 import PAYLOAD
from subscriptions.store import interface_counts
from tests.contract.mllp_receiver import acknowledgement, mllp_receiver
from tests.integration.watching.conftest import Server
from tests.patience import PATIENCE_SECONDS

NAMED = "PRT|1|UC||AT^Attending^HL70912|N-1^Nightingale"


def wish(endpoint: str) -> Json:
    coding = {"system": CHANNEL_TYPES, "code": "hl7v2"}
    content = {"url": BACKPORT + "backport-payload-content", "valueCode": "full-resource"}
    return {
        "resourceType": "Subscription",
        "id": "out",
        "status": "requested",
        "reason": "alarms to the ward",
        "criteria": TOPIC_DEVICE_ALERT,
        "channel": {
            "type": "rest-hook",
            "_type": {
                "extension": [{"url": BACKPORT + "backport-channel-type", "valueCoding": coding}]
            },
            "endpoint": endpoint,
            "header": ["message: ORU^R40"],
            "payload": PAYLOAD,
            "_payload": {"extension": [content]},
        },
    }


def alarm(server: Server) -> DeviceEvent:
    return DeviceEvent(
        patient="ann",
        device="m1",
        alarm_id="a",
        event="198260",
        source=None,
        phase="start",
        state="active",
        activity="enabled",
        priority="PH",
        value=None,
        unit=None,
        effective=server.clock(),
        received=server.clock(),
        age=0.1,
        simulated=False,
    )


async def response_of(server: Server, home: int) -> list[str]:
    async with server.record.transaction(home) as tx:
        rows = await tx.execute("SELECT response FROM alert WHERE tenant = %s", (home,))
    return [str(one) for (one,) in rows]


async def test_an_alarm_goes_out_and_its_acknowledgement_comes_back(server: Server) -> None:
    home = server.names["home"]
    owner = Principal(home, "admin", "Practitioner/ehr")
    async with asyncio.timeout(PATIENCE_SECONDS), mllp_receiver() as engine:
        engine.answering = lambda control_id: [
            acknowledgement(control_id, "CA"),
            acknowledgement(control_id, "AA", NAMED, kind="ORA^R41^ORA_R41"),
        ]
        async with server.record.transaction(home) as tx:
            await tx.put({"resourceType": "Patient"}, id_="ann")
            await tx.put({"resourceType": "Device"}, id_="m1")
            asked = await server.parts.observer.admit(tx, owner, wish(engine.url), None)
            await tx.put(asked, id_="out")
        async with server.running():
            while not await is_active(server, home):  # noqa: ASYNC110 - a row tells nobody
                await asyncio.sleep(0.05)
            async with server.record.transaction(home) as tx:
                await server.parts.observer.device_events(tx, [alarm(server)])
            while await response_of(server, home) != ["acknowledged"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            while not (lines := await lines_of(server, home)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    (message,) = engine.got
    assert message.header.raw(9) == "ORU^R40^ORU_R40"
    assert lines == [("out", f"127.0.0.1:{engine.port}", 1)]


async def lines_of(server: Server, home: int) -> list[tuple[str, str, int]]:
    """What the metrics tell of connections."""
    since = server.clock() - timedelta(seconds=30)
    rows = await server.record.scan(interface_counts.LINES, (home, since))
    return [(side, place, int(number)) for side, place, number in rows if number]


async def is_active(server: Server, home: int) -> bool:
    async with server.record.transaction(home) as tx:
        found = await tx.get("Subscription", "out")
    return found is not None and found["status"] == "active"
