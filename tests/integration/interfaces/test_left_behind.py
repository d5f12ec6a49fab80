"""What messages leave behind beside resources: Provenance, whose they are, alarms to be answered, figures, audit events."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from typer.testing import CliRunner, Result

from fhirserver import definitions
from fhirserver.__main__ import app
from fhirserver.auditing.expanding import Expander
from fhirserver.kernel.hl7 import Line
from fhirserver.kernel.principal import Grant, Principal
from fhirserver.search.query import parse
from fhirserver.store import hl7_alarms, interface_lines
from fhirserver.store.audit_rows import AuditRows
from fhirserver.store.audit_spool import AuditSpool
from fhirserver.store.rows import index_columns
from fhirserver.validation import validate
from fhirserver.wire import fhir_json
from subscriptions.rest import metrics
from tests.conftest import Database
from tests.integration.ingest.test_ingest import ADMIN, Home, clock, home, tel, witness
from tests.integration.interfaces.interface import SENT, code, opened, snapshot
from tests.integration.interfaces.test_others import ADMISSION
from tests.terminal import at_terminal
from tests.unit.adapters.hl7v2.machine_messages import (
    ALARM,
    EUI,
    MMHG,
    PATIENT,
    facets,
    header,
    message,
    obx,
    venous,
)

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here


async def found(home: Home, type_: str, **parameters: str) -> list[dict[str, Any]]:
    query = parse(type_, [*parameters.items()], definitions.load())
    page = await home.record.search(ADMIN, query)
    return [fhir_json.read_own(one.content) for one in page.entries]


def alarm(control_id: str, **what: Any) -> bytes:
    head = header("ORU^R40^ORU_R40", sent=SENT, control_id=control_id)
    return message(head, PATIENT, "PV1||U", ALARM, *facets(**what)).encode()


async def kept(home: Home, columns: LiteralString) -> list[tuple[Any, ...]]:
    async with home.record.transaction(1) as tx:
        return await tx.execute("SELECT " + columns + " FROM hl7_message ORDER BY control_id")


async def test_what_a_machine_measured_has_a_provenance_that_names_the_message(home: Home) -> None:
    measures = (
        venous(),
        obx("158744^^MDC", "-120", unit=MMHG),
        obx("158852^^MDC", "40", unit=MMHG),
    )
    async with opened(home) as interface:
        sender = await interface.connect()
        await sender.send(snapshot("m-1", *measures))
        await sender.send(snapshot("m-2"))
        await sender.close()
    by_control_id = dict(await kept(home, "control_id, id"))
    told = await found(home, "Provenance", patient="ann")
    assert len(told) == 2
    first, second = sorted(told, key=lambda one: len(one["target"]), reverse=True)
    # The events of HL7 v2 are not among the activities that R4 proposes: a warning at most.
    problems = [problem for one in told for problem in validate(one)]
    assert {(one.severity, one.expression) for one in problems} <= {
        ("warning", "Provenance.activity.coding")
    }
    for one, name in ((first, "m-1"), (second, "m-2")):
        (entity,) = one["entity"]
        assert entity["what"]["identifier"]["value"] == f"urn:uuid:{by_control_id[name]}"
        assert one["target"][0] == {"reference": "Patient/ann"}
    measured = [one["reference"] for one in first["target"][1:]]
    assert len(measured) == 3
    everything = [f"Observation/{one['id']}" for one in await home.observations()]
    rest = [one["reference"] for one in second["target"][1:]]
    assert sorted([*measured, *rest]) == sorted(everything)
    for one in measured:
        assert [it["id"] for it in await found(home, "Provenance", target=one)] == [first["id"]]


async def test_an_alarm_has_a_provenance_too_and_is_remembered_for_a_later_answer(
    home: Home,
) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        await sender.send(alarm("a-1"))
        await sender.send(alarm("a-2", phase="continue"))
        await sender.close()
    told = await found(home, "Provenance", patient="ann")
    assert {one["entity"][0]["what"]["display"] for one in told} == {"ORU^R40 a-1", "ORU^R40 a-2"}
    async with home.record.transaction(1) as tx:
        last = await hl7_alarms.told_by(tx, "machine", "196670:158776")
        assert await hl7_alarms.told_by(tx, "machine", "196670:158744") is None
    assert last is not None
    assert (last.sender, last.control_id) == (f"default|SIM_HD^{EUI}^EUI-64|", "a-2")
    assert last.filler.endswith(f"^SIM_HD^{EUI}^EUI-64")


async def test_what_comes_over_mqtt_leaves_none(home: Home) -> None:
    await home.say(tel(1, {"158776": 162}))
    assert len(await home.observations()) == 1
    assert await found(home, "Provenance") == []


async def test_an_unbound_machine_has_a_provenance_that_names_nobody(home: Home) -> None:
    async with home.record.transaction(1) as tx:
        await tx.delete("DeviceUseStatement", "use")
    async with opened(home) as interface:
        sender = await interface.connect()
        assert code(await sender.send(snapshot("m-1"))) == ("CA", "m-1")
        await sender.close()
    (told,) = await found(home, "Provenance")
    assert [one["reference"].partition("/")[0] for one in told["target"]] == ["Observation"]
    assert await kept(home, "patient, others") == [(None, [])]


@pytest.mark.parametrize("first", ["Patient/ann", "Observation/o-0"])
@pytest.mark.parametrize(
    "more", [[], ["Encounter/e"], ["Observation/a/_history/2", "Observation/b"]]
)
async def test_a_provenance_is_found_by_the_same_whichever_way_it_is_indexed(
    home: Home, first: str, more: list[str]
) -> None:
    """Its many Observations are indexed apart, for speed: by the same keys as a walk over all of it."""
    async with home.record.transaction(1) as tx:
        blind, known = tx._own.blind, tx.definitions
    targets = [first, *(f"Observation/o-{number}" for number in range(5)), *more]
    resource = {
        "resourceType": "Provenance",
        "id": "p",
        "target": [{"reference": one} for one in targets],
        "recorded": "2026-08-01T09:00:00Z",
        "agent": [{"who": {"display": "engine"}}],
    }
    whole = set[int]()
    for one in targets:
        whole |= set(index_columns({**resource, "target": [{"reference": one}]}, blind, known).keys)
    assert set(index_columns(resource, blind, known).keys) == whole


async def test_a_message_is_sealed_with_the_key_of_whom_it_is_about(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        await sender.send(snapshot("m-1"))
        await sender.send(ADMISSION)
        await sender.send(snapshot("m-2", eui="FFFFFFFFFFFFFFFF"))
        await sender.close()
    (admitted,) = await found(home, "Patient", family="Doe")
    rows = await kept(home, "control_id, patient, others")
    assert rows == [("a-1", admitted["id"], []), ("m-1", "ann", []), ("m-2", None, [])]
    ((id_, raw),) = [row[:2] for row in await kept(home, "id, raw, control_id") if row[2] == "m-1"]
    async with home.record.transaction(1) as tx:
        assert await tx.unseal("ann", f"hl7-message|{id_}", raw) == snapshot("m-1")


async def test_metrics_tell_of_messages_and_dead_letters_and_of_nobody(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        for control_id in ("m-1", "m-2"):
            await sender.send(snapshot(control_id))
        await sender.send(snapshot("m-3", eui="FFFFFFFFFFFFFFFF"))
        await sender.send(snapshot("m-4").replace(b"ORU^R01^ORU_R01", b"ZZZ^DOE"))
        open_ = interface.listener.connections
        here, gone = Line(1, "in", "2575"), Line(1, "out", "ehr.example.org:2575")
        now = home.clock()
        await interface_lines.tell(home.record.tend, "a", {here: open_, gone: 1}, now)
        await interface_lines.tell(home.record.tend, "b", {here: 2}, now)
        await interface_lines.tell(home.record.tend, "c", {here: 9}, now - timedelta(seconds=40))
        await interface_lines.tell(home.record.tend, "a", {gone: 0}, now)
        await sender.close()

    async def grant(token: str) -> Grant | None:
        return Grant(Principal(1, token, ""))  # type: ignore[arg-type]  # an administrator's

    route = metrics.route(home.record.scan, grant, lambda: {"home": 1}, home.clock)
    transport = httpx.ASGITransport(Starlette(routes=[route]))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/metrics", headers={"Authorization": "Bearer admin"})
    families = {one.name: one.samples for one in text_string_to_metric_families(answer.text)}
    labels = ("tenant", "sender", "kind", "outcome")
    taken = {
        tuple(one.labels[name] for name in labels): one.value
        for one in families["fhir_hl7v2_messages"]
    }
    assert taken == {
        ("home", "default", "ORU^R01", "accepted"): 2,
        ("home", "default", "ORU^R01", "refused"): 1,
        ("home", "default", "other", "refused"): 1,
    }
    letters = {
        (one.labels["door"], one.labels["reason"]): one.value
        for one in families["fhir_dead_letters"]
    }
    assert letters == {("hl7v2", "unknown-device"): 1, ("hl7v2", "unsupported"): 1}
    lines = {
        (one.labels["side"], one.labels["place"]): one.value
        for one in families["fhir_hl7v2_connections"]
    }
    assert lines == {("in", "2575"): 3, ("out", "ehr.example.org:2575"): 0}
    assert "MRN-7" not in answer.text
    assert "Doe" not in answer.text


@pytest.fixture
def server_machine(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DATA directory whose secrets are those of the test's database and record."""
    at_terminal(tmp_path, database, monkeypatch)


async def run(*words: str) -> Result:
    """Run a command in a thread: it brings an event loop of its own."""
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, [*words]))


@pytest.mark.usefixtures("server_machine")
async def test_what_an_operator_reads_is_audited(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        await sender.send(snapshot("m-1"))
        await sender.send(snapshot("m-2", eui="FFFFFFFFFFFFFFFF"))
        await sender.close()
    by_control_id = dict(await kept(home, "control_id, id"))
    async with home.record.transaction(1) as tx:
        ((letter,),) = await tx.execute("SELECT id FROM dead_letter")
    shown = await run("hl7v2", "show", str(by_control_id["m-1"]))
    assert "MRN-7" in shown.output, (shown.output, shown.exception)
    assert "MRN-7" in (await run("dead-letters", "show", str(letter))).output
    told = await events(home)
    assert told == {
        f"hl7v2 {by_control_id['m-1']}": ["ann"],
        f"dead-letter {letter}": [],
    }
    nothing = await run("hl7v2", "show", str(UUID(int=7)))
    assert nothing.exit_code != 0
    assert await events(home) == told


async def test_what_messages_write_and_what_is_refused_is_audited(home: Home) -> None:
    record = home.record
    record._write = replace(record._write, audit_rows=AuditSpool())
    record._work = replace(record._work, audit_rows=AuditSpool())
    async with opened(home) as interface:
        sender = await interface.connect()
        await sender.send(ADMISSION)
        for _ in range(2):
            await sender.send(snapshot("m-1", eui="FFFFFFFFFFFFFFFF"))
        await sender.close()
    (admitted,) = await found(home, "Patient", family="Doe")
    told = [one for one in await audited(home) if agent(one).startswith("hl7v2:default")]
    refused = [one["outcomeDesc"] for one in told if one["outcome"] == "4"]
    assert refused == ["unknown-device"]
    written = {
        entity["what"]["reference"].partition("/_history")[0]
        for one in told
        if one["outcome"] == "0" and one["subtype"][0]["code"] == "create"
        for entity in one["entity"]
        if "reference" in entity["what"]
    }
    assert f"Patient/{admitted['id']}" in written
    assert {one.partition("/")[0] for one in written} == {"Patient", "Provenance"}


def agent(event: dict[str, Any]) -> str:
    """Return the program that an event says did it."""
    return str(event["agent"][0]["who"].get("identifier", {}).get("value", ""))


async def events(home: Home) -> dict[str, list[str]]:
    """Return whom each message that was shown is about, as the audit has it."""
    told = [one for one in await audited(home) if is_shown(one)]
    assert not [it for one in told for it in validate(one) if it.severity == "error"]
    references = {
        one["outcomeDesc"]: [entity["what"]["reference"] for entity in one.get("entity", ())]
        for one in told
    }
    return {
        which: [one.removeprefix("Patient/") for one in about if one.startswith("Patient/")]
        for which, about in references.items()
    }


async def audited(home: Home) -> list[dict[str, Any]]:
    """Return every AuditEvent, those that are only written down so far included."""
    base = "http://localhost/fhir"
    await Expander(home.record.audit_expansion(AuditRows(base)), lambda: 0.0).all()
    return await found(home, "AuditEvent")


def is_shown(event: dict[str, Any]) -> bool:
    return any(one["code"] == "message-shown" for one in event["subtype"])
