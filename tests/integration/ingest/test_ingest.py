"""Device messages through the one door: stored once, evaluated, answered; what cannot be used becomes a dead letter."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.batch import Incoming, Outcome
from adapters.ingest import Ingest
from adapters.mqtt.messages import Topic
from adapters.streams import Acknowledgement
from fhirserver import definitions
from fhirserver.kernel.principal import Access, Principal
from fhirserver.search.query import parse
from fhirserver.store.record import Record
from fhirserver.validation import validate
from fhirserver.wire import fhir_json
from tests.conftest import Database
from tests.integration.store.conftest import Clock, Witness, open_record

ADDRESS = "0A1B2CFFFE3D4E5F"
START = b'{"schema":"hd.tel/1","dev":"0A1B2CFFFE3D4E5F","boot":"b1","seq":7,"s":['
ADMIN = Access(Principal(1, "admin", ""), everything=True)
BIRTH: dict[str, Any] = {
    "schema": "hd.birth/1", "dev": ADDRESS, "boot": "b1", "mono_ms": 1000, "model": "SIM", "kind": "hemodialysis-machine",
    "metrics": {
        "158776": {"unit": "mm[Hg]", "limits": {"low": 122, "high": 262}},
        "158740": {"unit": "mL/min"},
        "158852": {"unit": "kPa"},
    },
}  # fmt: skip


class Home:
    """A machine bound to Patient/ann, as the ingest sees it."""

    def __init__(self, record: Record, witness: Witness, clock: Clock) -> None:
        self.record, self.witness, self.clock = record, witness, clock
        self.ingest = Ingest(record, witness)

    async def say(
        self, *told: tuple[str, dict[str, Any] | bytes], address: str = ADDRESS
    ) -> Outcome:
        """Deliver messages in one batch."""
        batch = [
            Incoming(
                Topic("home", address, kind),  # type: ignore[arg-type]  # the tests also say kinds that do not exist
                body if isinstance(body, bytes) else json.dumps(body).encode(),
                self.clock.now,
            )
            for kind, body in told
        ]
        return await self.ingest.commit(1, batch)

    async def observations(self, **parameters: str) -> list[dict[str, Any]]:
        pairs = [("_count", "1000"), *parameters.items()]
        page = await self.record.search(ADMIN, parse("Observation", pairs, definitions.load()))
        return [fhir_json.read(one.content) for one in page.entries]

    async def dead_letters(self) -> dict[str, int]:
        async with self.record.transaction(1) as tx:
            return dict(
                await tx.execute("SELECT reason, count(*)::int FROM dead_letter GROUP BY reason")
            )


def tel(
    seq: int, values: dict[str, Any], *, boot: str = "b1", **more: Any
) -> tuple[str, dict[str, Any]]:
    body = {
        "schema": "hd.tel/1", "dev": ADDRESS, "boot": boot, "seq": seq, "dev_time": "2026-08-01T09:00:00Z", "mode": "TX",
        "s": [{"t": 0, "v": values}], **more,
    }  # fmt: skip
    return "tel", body


def evt(seq: int, event: str, **more: Any) -> tuple[str, dict[str, Any]]:
    body = {
        "schema": "hd.evt/1", "dev": ADDRESS, "boot": "b1", "seq": seq, "alarm_id": "a-1", "dev_time": "2026-08-01T09:00:00Z",
        "event": event, "phase": "start", "state": "active", "activity": "enabled", "priority": "PH", **more,
    }  # fmt: skip
    return "evt", body


@pytest.fixture
async def home(database: Database, witness: Witness, clock: Clock) -> AsyncIterator[Home]:
    async with open_record(database, witness, clock) as record:
        async with record.transaction(1) as tx:
            await tx.put({"resourceType": "Patient"}, id_="ann")
            device = {
                "system": "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680",
                "value": "0A-1B-2C-FF-FE-3D-4E-5F",
            }
            await tx.put({"resourceType": "Device", "identifier": [device]}, id_="machine")
            await tx.put(
                {
                    "resourceType": "DeviceUseStatement",
                    "status": "active",
                    "subject": {"reference": "Patient/ann"},
                    "device": {"reference": "Device/machine"},
                    "timingPeriod": {"start": "2026-07-01"},
                },
                id_="use",
            )
        await record.enroll_device(1, "machine")
        home = Home(record, witness, clock)
        await home.say(("birth", BIRTH))
        yield home


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_a_message_becomes_observations_that_read_and_search_like_any_other(
    home: Home,
) -> None:
    outcome = await home.say(tel(1, {"158776": 162, "158740": 398}))
    assert outcome.acknowledgements == (Acknowledgement(ADDRESS, "b1", "tel", 1, (), ()),)
    found = await home.observations(patient="ann", code="urn:iso:std:iso:11073:10101|158776")
    (pressure,) = found
    assert pressure["valueQuantity"]["value"] == 162
    assert pressure["effectiveDateTime"] == "2026-08-01T09:00:00.000Z"
    assert pressure["subject"] == {"reference": "Patient/ann"}
    assert pressure["device"] == {"reference": "DeviceMetric/machine.158776"}
    assert validate(pressure) == []
    assert (await home.record.read(ADMIN, "DeviceMetric", "machine.158776")).version == 1
    assert len(await home.observations(date="2026-08-01", _sort="-date")) == 2
    assert [(one.code, one.value, one.mode, one.age) for one in home.witness.values] == [
        ("158776", Decimal(162), "TX", 0.0),
        ("158740", Decimal(398), "TX", 0.0),
    ]
    assert {one.observation for one in home.witness.values} == {
        one["id"] for one in await home.observations()
    }


async def test_an_observation_of_a_device_can_be_amended_and_deleted(home: Home) -> None:
    await home.say(tel(1, {"158776": 162}))
    (one,) = await home.observations()
    async with home.record.transaction(1) as tx:
        await tx.put({**one, "status": "amended"}, id_=one["id"], if_match=1)
    assert (
        fhir_json.read((await home.record.vread(ADMIN, "Observation", one["id"], 1)).content)[
            "status"
        ]
        == "final"
    )
    async with home.record.transaction(1) as tx:
        await tx.delete("Observation", one["id"])
    assert await home.observations() == []


async def test_digits_are_kept_as_sent(home: Home) -> None:
    body = json.dumps(tel(1, {"158776": 1})[1]).replace('"158776": 1', '"158776": 162.50').encode()
    await home.say(("tel", body))
    page = await home.record.search(ADMIN, parse("Observation", [], definitions.load()))
    assert b'"value":162.50,' in page.entries[0].content


async def test_a_repeated_message_is_stored_once_and_answered_again(home: Home) -> None:
    await home.say(tel(1, {"158776": 162}))
    outcome = await home.say(
        tel(1, {"158776": 162}), tel(2, {"158776": 163}), tel(2, {"158776": 163})
    )
    assert (outcome.observations, outcome.duplicates) == (1, 2)
    assert outcome.acknowledgements[0].through == 2
    assert len(await home.observations()) == 2


async def test_gaps_are_recorded_and_mended_when_the_missing_messages_come(home: Home) -> None:
    await home.say(tel(1, {"158776": 162}))
    outcome = await home.say(tel(4, {"158776": 162}))
    assert outcome.acknowledgements[0] == Acknowledgement(ADDRESS, "b1", "tel", 1, ((4, 4),), ())

    async def faults() -> list[tuple[Any, ...]]:
        async with home.record.transaction(1) as tx:
            return await tx.execute("SELECT fault, lo, hi, mended IS NOT NULL FROM device_fault")

    assert await faults() == [("gap-tel", 2, 3, False)]
    outcome = await home.say(tel(3, {"158776": 162}), tel(2, {"158776": 162}))
    assert outcome.acknowledgements[0].through == 4
    assert await faults() == [("gap-tel", 2, 3, True)]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (("tel", START + b"{"), "malformed"),
        (("tel", START + b'{"t":0,"v":{"158776":NaN}}]}'), "not-a-number"),
        (tel(7, {"158776": None}), "null-value"),
        (tel(7, {"999999": 3}), "unknown-metric"),
        (tel(7, {"158852": 38}), "wrong-unit"),
        (tel(7, {"158776": 20}, u={"158776": "kPa"}), "wrong-unit"),
        (tel(7, {"158776": "162"}), "malformed"),
        (tel(7, {"158776": True}), "malformed"),
        (tel(7, {"158776": 162}, dev="FFFFFFFFFFFFFFFF"), "wrong-device"),
        (evt(7, "196670", source="158776", value=2, unit="kPa"), "wrong-unit"),
    ],
)  # fmt: skip
async def test_bad_data_is_a_dead_letter_and_never_a_reading(
    home: Home, message: Any, reason: str
) -> None:
    outcome = await home.say(message)
    assert dict(outcome.dead_letters) == {reason: 1}
    assert await home.dead_letters() == {reason: 1}
    assert outcome.acknowledgements[0].rejected == (7,)
    assert (home.witness.values, home.witness.events, await home.observations()) == ([], [], [])


async def test_good_values_beside_a_bad_one_are_kept(home: Home) -> None:
    outcome = await home.say(tel(1, {"158776": None, "158740": 398}))
    assert (outcome.observations, dict(outcome.dead_letters)) == (1, {"null-value": 1})


async def test_a_value_the_device_says_it_could_not_take_is_recorded_as_absent(home: Home) -> None:
    await home.say(tel(1, {"158776": None}, q={"158776": "sensor-fault"}))
    (one,) = await home.observations()
    assert one["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert "valueQuantity" not in one
    assert home.witness.values == []


async def test_an_unknown_device_is_a_dead_letter(home: Home) -> None:
    outcome = await home.say(
        ("tel", {**tel(1, {"158776": 1})[1], "dev": "FFFFFFFFFFFFFFFF"}), address="FFFFFFFFFFFFFFFF"
    )
    assert dict(outcome.dead_letters) == {"unknown-device": 1}


async def test_a_blood_pressure_is_one_observation_with_what_was_measured(home: Home) -> None:
    await home.say(tel(1, {"150021": 118, "150023": 90, "149546": 72}))
    panel, pulse = sorted(await home.observations(), key=lambda one: "component" not in one)
    assert [one["code"]["coding"][0]["code"] for one in panel["component"]] == [
        "8480-6",
        "8462-4",
        "8478-0",
    ]
    assert "dataAbsentReason" in panel["component"][1]
    assert pulse["valueQuantity"]["code"] == "/min"
    assert validate(panel) == []
    assert validate(pulse) == []


async def test_a_delayed_message_is_as_old_as_the_monotonic_clock_says(home: Home) -> None:
    await home.say(tel(1, {"158776": 162}, mono_ms=1000))
    home.clock.now += timedelta(seconds=90)
    await home.say(tel(2, {"158776": 40}, mono_ms=11_000, dev_time="2026-08-01T09:00:10Z"))
    assert [one.age for one in home.witness.values] == [0.0, 80.0]


async def test_a_wrong_wall_clock_is_recorded_and_times_are_mapped(home: Home) -> None:
    await home.say(tel(1, {"158776": 162}, dev_time="1970-01-01T00:00:10Z", mono_ms=1000))
    (one,) = await home.observations()
    assert one["effectiveDateTime"] == "2026-08-01T09:00:00.000Z"
    async with home.record.transaction(1) as tx:
        assert [row[0] for row in await tx.execute("SELECT fault FROM device_fault")] == ["clock"]


async def test_values_outside_the_binding_belong_to_nobody_and_are_not_evaluated(
    home: Home,
) -> None:
    async with home.record.transaction(1) as tx:
        use = await tx.get("DeviceUseStatement", "use")
        assert use is not None
        await tx.put(
            {**use, "timingPeriod": {"start": "2026-07-01", "end": "2026-07-31"}}, id_="use"
        )
    await home.say(tel(1, {"158776": 162}))
    (one,) = await home.observations()
    assert "subject" not in one
    assert home.witness.values == []


async def test_an_alarm_event_is_recorded_and_handed_to_the_rules(home: Home) -> None:
    outcome = await home.say(evt(1, "198260", source="158776", value=15, unit="mm[Hg]"))
    assert outcome.acknowledgements == (Acknowledgement(ADDRESS, "b1", "evt", 1, (), ()),)
    (event,) = home.witness.events
    assert (event.patient, event.event, event.phase, event.value) == (
        "ann",
        "198260",
        "start",
        Decimal(15),
    )
    (one,) = await home.observations(code="198260")
    assert validate(one) == []


async def test_a_lost_connection_is_told(home: Home) -> None:
    home.witness.alive.clear()
    await home.say(("status", {"schema": "hd.status/1", "state": "offline"}))
    (contact,) = home.witness.alive
    assert (contact.device, contact.patient, contact.online) == ("machine", "ann", False)
