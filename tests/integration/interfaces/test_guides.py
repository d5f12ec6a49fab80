"""Whatever a machine measures and sends as PCD-01 keeps to the guides when it is read back from the record."""

from adapters.metrics import METRICS
from tests.integration.ingest.test_ingest import Home, clock, home, witness
from tests.integration.interfaces.interface import code, opened, snapshot
from tests.unit.adapters.guides import machine_faults, vital_sign_faults

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here


async def test_every_observation_of_a_message_keeps_to_the_guides(home: Home) -> None:
    lines = [
        f"OBX|{number}|NM|{one.code}^{one.refid}^MDC||{number}|{one.unit}^^UCUM||{status}|||F"
        for number, one in enumerate(METRICS.values(), 1)
        for status in ("QUES" if number % 3 else "INV",)
    ]
    async with opened(home) as interface:
        sender = await interface.connect()
        assert code(await sender.send(snapshot("m-1", *lines))) == ("CA", "m-1")
        await sender.close()
    found = await home.observations()
    vital = [one for one in found if one["code"]["coding"][0]["system"] == "http://loinc.org"]
    assert len(vital) >= 6
    assert len(found) - len(vital) >= 10
    for one in found:
        judge = vital_sign_faults if one in vital else machine_faults
        assert list(judge(one)) == [], one
