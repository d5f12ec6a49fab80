"""Messages that become resources, other people's clients, TLS, and what the operator is told."""

import asyncio
from pathlib import Path

import pytest
import trustme
from hl7.client import MLLPClient
from typer.testing import CliRunner

from adapters.hl7v2 import sites
from fhirserver.__main__ import app
from fhirserver.settings import Settings, SettingsError
from tests.integration.ingest.test_ingest import Home, clock, home, witness
from tests.integration.interfaces.interface import code, faults, opened, original, snapshot
from tests.integration.interfaces.secured import guarded, secured

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here
ADMISSION = (
    b"MSH|^~\\&|ADT1|CLINIC|||20260801085900+0000||ADT^A04^ADT_A01|a-1|P|2.6\r"
    b"EVN||20260801085900+0000\rPID|1||MRN-7^^^CLINIC^MR||Doe^Ann^M||19610402|F\r"
)


async def _patients(home: Home) -> int:
    async with home.record.transaction(1) as tx:
        number = tx.definitions.type_number("Patient")
        ((count,),) = await tx.execute(
            "SELECT count(*)::int FROM resource WHERE type = %s", (number,)
        )
        return int(count)


async def test_an_admission_is_carried_out_once_and_answered_each_time(home: Home) -> None:
    before = await _patients(home)
    async with opened(home) as interface:
        sender = await interface.connect()
        assert code(await sender.send(ADMISSION)) == ("AA", "a-1")
        assert code(await sender.send(ADMISSION)) == ("AA", "a-1")
        assert await _patients(home) == before + 1
        assert await interface.messages() == [("a-1", "accepted", "", 1)]
        await sender.close()


async def test_what_the_record_refuses_is_an_error_and_leaves_nothing(home: Home) -> None:
    system = "https://w3id.org/fhirserver/NamingSystem/hl7v2/CLINIC"
    async with home.record.transaction(1) as tx:
        for id_, value in (("one", "MRN-7"), ("two", "MRN-8")):
            identifier = [{"system": system, "value": value}]
            await tx.put({"resourceType": "Patient", "identifier": identifier}, id_=id_)
    before = await _patients(home)
    both = ADMISSION.replace(b"MRN-7^^^CLINIC^MR", b"MRN-7^^^CLINIC^MR~MRN-8^^^CLINIC^MR")
    async with opened(home) as interface:
        sender = await interface.connect()
        assert code(await sender.send(both)) == ("AE", "a-1")
        assert await _patients(home) == before
        assert await interface.messages() == [("a-1", "refused", "not-applied", 1)]
        assert await home.dead_letters() == {"not-applied": 1}
        await sender.close()


async def test_a_sender_nobody_described_is_rejected_and_told_what_to_do(home: Home) -> None:
    async with opened(home, site=sites.load()) as interface:
        sender = await interface.connect()
        answer = await sender.send(original(snapshot("m-1")))
        assert code(answer) == ("AR", "m-1")
        assert faults(answer) == [("204", "E")]
        assert "HL7_SITE" in str(answer)
        assert await home.dead_letters() == {"unknown-sender": 1}
        assert await interface.messages() == []
        await sender.close()


async def test_a_batch_is_answered_message_by_message(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        first, second = original(snapshot("m-1")), original(snapshot("m-2"))
        batch = b"FHS|^~\\&|SIM\rBHS|^~\\&|SIM\r" + first + second + b"BTS|2\rFTS|1\r"
        assert code(await sender.send(batch)) == ("AA", "m-1")
        assert code(await sender.answer()) == ("AA", "m-2")
        assert len(await home.observations()) == 2
        await sender.close()


async def test_the_client_of_another_library_is_understood(home: Home) -> None:
    async with opened(home) as interface:

        def send() -> bytes:
            with MLLPClient("127.0.0.1", interface.listener.port) as client:
                return bytes(client.send_message(original(snapshot("m-1"))))

        answer = await asyncio.to_thread(send)
        assert b"\rMSA|AA|m-1" in answer


async def test_with_client_certificates_only_their_holders_come_in(
    home: Home, tmp_path: Path
) -> None:
    authority = trustme.CA()
    named = b"unknown: refuse\nsenders: [{name: engine, match: {certificate: CN=engine-1}}]"
    async with (
        opened(home, site=sites.load([("site.yaml", named)])) as interface,
        guarded(interface, authority, tmp_path) as door,
    ):
        stranger = await secured(door, authority)
        with pytest.raises((OSError, EOFError)):
            await stranger.send(snapshot("m-1"))
        stranger.writer.close()
        sender = await secured(door, authority, of=authority, name="engine-1")
        assert code(await sender.send(snapshot("m-2"))) == ("CA", "m-2")
        await sender.close()


def test_plain_text_off_this_machine_must_be_said() -> None:
    exposed = {"HL7_PORTS": "2575=home", "HL7_HOST": "0.0.0.0"}
    with pytest.raises(SettingsError, match="HL7_TLS"):
        Settings.from_environment(exposed)
    assert Settings.from_environment({**exposed, "HL7_TLS": "off"}).hl7_ports == ("2575=home",)


def test_the_operator_is_told_what_a_message_would_become(tmp_path: Path) -> None:
    file = tmp_path / "message.hl7"
    file.write_bytes(snapshot("m-1"))
    told = CliRunner().invoke(app, ["hl7v2", "check", str(file)])
    assert told.exit_code == 0, told.output
    assert "ORU^R01 m-1 of sender default" in told.output
    assert "device 0A1B2CFFFE3D4E5F: 158776" in told.output


@pytest.mark.parametrize("group", ["hl7v2", "dead-letters"])
def test_help_says_what_there_is(group: str) -> None:
    told = CliRunner().invoke(app, [group, "--help"])
    assert told.exit_code == 0
    assert "show" in told.output
    assert "list" in told.output
