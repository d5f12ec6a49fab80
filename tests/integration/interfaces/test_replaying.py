"""What was refused at any door is in one place, and is processed again, once, when what stood in its way is mended."""

from typing import Any

import pytest

from adapters.hl7v2 import sites
from adapters.metrics import METRICS
from adapters.mqtt import messages
from fhirserver.replaying import Done, Replaying
from fhirserver.store.dead_letters import Wanted
from tests.integration.ingest.test_ingest import ADDRESS, Home, clock, home, tel, witness
from tests.integration.interfaces.interface import Interface, code, faults, opened, snapshot
from tests.unit.adapters.hl7v2.machine_messages import MMHG, obx, venous

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here
FURLONGS = sites.load([("site.yaml", b'units: {furlong: "mm[Hg]"}')], unknown="accept")
STRANGE = obx("158776^^MDC", "12", unit="furlong")


async def replay(interface: Interface, wanted: Wanted | None = None) -> Done:
    home = interface.home
    replaying = Replaying(home.record, home.ingest, interface.intake, (1, "home"))
    return await replaying.run(wanted or Wanted())


async def open_letters(home: Home) -> list[tuple[str, str, str]]:
    return [(one.door, one.reason, one.source) for one in await home.record.dead_letters(1)]


async def test_a_measure_whose_unit_is_still_unknown_is_refused_again(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        answer = await sender.send(snapshot("m-1", STRANGE, obx("158744^^MDC", "10", unit=MMHG)))
        assert code(answer) == ("CA", "m-1")
        assert faults(answer) == [("103", "W")]
        assert [one for *one, _ in await interface.messages()] == [["m-1", "partly", ""]]
        assert await replay(interface) == Done(refused=1)
        assert len(await open_letters(home)) == 1
        assert len(await home.observations()) == 1
        await sender.close()


async def test_the_rest_of_a_message_is_taken_and_nothing_twice(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        await sender.send(snapshot("m-1", STRANGE, obx("158744^^MDC", "10", unit=MMHG)))
        await sender.close()
    async with opened(home, site=FURLONGS) as interface:
        assert await replay(interface) == Done(taken=1)
        assert await replay(interface) == Done()
        assert [one[1] for one in await interface.messages()] == ["accepted"]
    found = {one["code"]["coding"][0]["code"] for one in await home.observations()}
    assert found == {"158744", "158776"}
    assert len(await home.observations()) == 2
    assert await open_letters(home) == []


async def test_a_message_of_an_unknown_device_is_taken_when_it_is_enrolled(home: Home) -> None:
    other = "FFFFFFFFFFFFFFFF"
    async with opened(home) as interface:
        sender = await interface.connect()
        answer = await sender.send(snapshot("m-1", eui=other))
        assert (code(answer), faults(answer)) == (("CE", "m-1"), [("204", "E")])
        assert code(await sender.send(snapshot("m-1", eui=other))) == ("CE", "m-1")
        assert await interface.messages() == [("m-1", "refused", "unknown-device", 2)]
        assert len(await open_letters(home)) == 1
        assert await replay(interface) == Done(refused=1)
        assert len(await open_letters(home)) == 1
        await _enroll(home, "FF-FF-FF-FF-FF-FF-FF-FF")
        assert await replay(interface) == Done(taken=1)
        assert len(await home.observations()) == 1
        assert code(await sender.send(snapshot("m-1", eui=other))) == ("CA", "m-1")
        assert len(await home.observations()) == 1
        await sender.close()


async def test_what_is_replayed_does_not_say_that_a_machine_is_there(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        await sender.send(snapshot("m-1", eui="FFFFFFFFFFFFFFFF"))
        await _enroll(home, "FF-FF-FF-FF-FF-FF-FF-FF")
        heard = len(home.witness.alive)
        await replay(interface)
        assert len(home.witness.alive) == heard
        await sender.close()


async def test_a_measure_that_came_over_mqtt_is_taken_once_it_is_known(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = METRICS["158744"]
    with monkeypatch.context() as before:
        before.delitem(METRICS, "158744")
        await home.say(tel(1, {"158744": 11, "158776": 162}))
    assert METRICS["158744"] is metric
    assert await open_letters(home) == [("mqtt", messages.UNKNOWN_METRIC, ADDRESS)]
    async with opened(home) as interface:
        assert await replay(interface, Wanted(door="mqtt")) == Done(taken=1)
        assert await replay(interface) == Done()
    found = sorted(one["code"]["coding"][0]["code"] for one in await home.observations())
    assert found == ["158744", "158776"]
    assert await open_letters(home) == []


async def test_what_a_machine_says_it_is_is_taken_when_it_is_enrolled(home: Home) -> None:
    other = "FFFFFFFFFFFFFFFF"
    await home.say(_born(other, 300), address=other)
    assert await open_letters(home) == [("mqtt", messages.UNKNOWN_DEVICE, other)]
    async with opened(home) as interface:
        assert await replay(interface) == Done(refused=1)
        await _enroll(home, "FF-FF-FF-FF-FF-FF-FF-FF")
        heard = len(home.witness.alive)
        assert await replay(interface) == Done(taken=1)
        assert await replay(interface) == Done()
    assert len(home.witness.alive) == heard
    async with home.record.telemetry(1) as tx:
        known = await tx.births({(other, "b1")})
    assert known[other, "b1"]["interval_s"] == 300


async def test_what_a_machine_has_said_since_stands(home: Home) -> None:
    other = "FFFFFFFFFFFFFFFF"
    await home.say(_born(other, 300), address=other)
    await _enroll(home, "FF-FF-FF-FF-FF-FF-FF-FF")
    await home.say(_born(other, 60), address=other)
    async with opened(home) as interface:
        assert await replay(interface) == Done(taken=1)
    async with home.record.telemetry(1) as tx:
        known = await tx.births({(other, "b1")})
    assert known[other, "b1"]["interval_s"] == 60


async def test_what_is_no_birth_and_whether_a_machine_was_there_cannot_be_replayed(
    home: Home,
) -> None:
    await home.say(("birth", b"{"))
    await home.say(("status", b"{"))
    async with opened(home) as interface:
        assert await replay(interface) == Done(refused=1, left=1)


async def test_a_message_about_somebody_else_is_refused(home: Home) -> None:
    async with home.record.transaction(1) as tx:
        number = {"system": "https://w3id.org/fhirserver/NamingSystem/hl7v2/CLINIC", "value": "X"}
        await tx.put({"resourceType": "Patient", "identifier": [number]}, id_="ann")
    async with opened(home) as interface:
        sender = await interface.connect()
        answer = await sender.send(snapshot("m-1", venous()))
        assert (code(answer), faults(answer)) == (("CE", "m-1"), [("204", "E")])
        assert await home.dead_letters() == {"wrong-patient": 1}
        assert await home.observations() == []
        await sender.close()


def _born(address: str, interval: int) -> tuple[str, dict[str, Any]]:
    body = {
        "schema": "hd.birth/1",
        "dev": address,
        "boot": "b1",
        "interval_s": interval,
        "metrics": {},
    }
    return "birth", body


async def _enroll(home: Home, eui: str) -> None:
    identifier = {"system": "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680", "value": eui}
    async with home.record.transaction(1) as tx:
        await tx.put({"resourceType": "Device", "identifier": [identifier]}, id_="other")
    await home.record.enroll_device(1, "other")
