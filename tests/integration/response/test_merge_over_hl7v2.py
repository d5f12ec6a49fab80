"""ADT^A40 in the middle of an alarm, through the listener's own way in and the whole alarm engine."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from adapters.hl7v2 import sites
from adapters.hl7v2.applying import access_of
from adapters.hl7v2.committing import Committer
from adapters.hl7v2.intake import Intake
from adapters.hl7v2.sites import Peer
from adapters.ingest import Ingest
from fhirserver import definitions
from fhirserver.interactions.context import Context
from fhirserver.kernel.resource import Json
from fhirserver.store.hl7_messages import HeldMessages
from subscriptions.observer import Observer
from tests.integration.interfaces.interface import code
from tests.integration.response.conftest import (
    BASE,
    BOB,
    EVE,
    NINA,
    Place,
    person,
    team,
)
from tests.unit.adapters.hl7v2.machine_messages import facets, header, message

CLINIC = "https://w3id.org/fhirserver/NamingSystem/hl7v2/CLINIC"
EUI64 = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"
MACHINES = {"ann": "AAAAAAAAAAAAAAAA", "anne": "BBBBBBBBBBBBBBBB"}
ZOE = "+15550000005"
SENT = "20260801090000+0000"
Say = Callable[[bytes], Awaitable[str]]


def alarm(control_id: str, machine: str, number: str, *, phase: str = "start") -> bytes:
    """An alarm of the machine that is in use for `machine`, sent with the patient number that is known to the sender."""
    eui = MACHINES[machine]
    head = header(
        "ORU^R40^ORU_R40", application=f"HD^{eui}^EUI-64", sent=SENT, control_id=control_id
    )
    obr = f"OBR|1||t^HD^{eui}^EUI-64|196616^MDC_EVT_ALARM^MDC|||{SENT}"
    return message(
        head, f"PID|1||{number}^^^CLINIC^MR", "PV1||U", obr, *facets(phase=phase)
    ).encode()


MERGE = (
    b"MSH|^~\\&|ADT1|CLINIC|||20260801090000+0000||ADT^A40^ADT_A39|adt-1|P|2.6\r"
    b"EVN||20260801090000+0000\rPID|1||MRN-8^^^CLINIC^MR||Doe^Anne\rMRG|MRN-7^^^CLINIC^MR\r"
)


def patient(id_: str, number: str) -> Json:
    return {
        "resourceType": "Patient",
        "id": id_,
        "identifier": [{"system": CLINIC, "value": number}],
    }


def machine(of: str) -> tuple[Json, Json]:
    eui = "-".join([MACHINES[of][:2]] * 8)
    return (
        {
            "resourceType": "Device",
            "id": f"hd-{of}",
            "identifier": [{"system": EUI64, "value": eui}],
        },
        {
            "resourceType": "DeviceUseStatement",
            "id": f"use-{of}",
            "status": "active",
            "subject": {"reference": f"Patient/{of}"},
            "device": {"reference": f"Device/hd-{of}"},
            "timingPeriod": {"start": "2026-07-01"},
        },
    )


@pytest.fixture
async def say(place: Place) -> AsyncIterator[Say]:
    """Two records of one person, each with a machine in use and people of its own, and a way in."""
    zoe = {**person("RelatedPerson", "zoe", ZOE), "patient": {"reference": "Patient/anne"}}
    await place.put(
        patient("ann", "MRN-7"), patient("anne", "MRN-8"), *machine("ann"), *machine("anne")
    )
    await place.put(zoe, team(("RelatedPerson/zoe", 1), patient="anne", id_="team-anne"))
    await place.verify(ZOE)
    for of in MACHINES:
        await place.record.enroll_device(place.tenant, f"hd-{of}")
    observer = Observer(place.evaluation, place.response, place.sessions)
    known, held, site = definitions.load(), HeldMessages(), sites.load(unknown="accept")

    def context_of(sender: str) -> Context:
        return Context(access_of(place.tenant, sender), place.record, known, observer, BASE)

    ingest = Ingest(place.record, observer)
    committer = Committer((place.tenant, place.name), place.record, ingest, held)
    intake = Intake(
        place.tenant, site, committer, held, context_of, place.clock, writes=place.record
    )
    running = asyncio.create_task(committer.run())

    async def sent(raw: bytes) -> str:
        (answer,) = await intake.take(raw, Peer("127.0.0.1"))
        await place.work()
        return answer.decode()

    yield sent
    running.cancel()


async def test_a_merge_in_mid_alarm_leaves_it_running_and_calls_the_survivors_people_next(
    place: Place, say: Say
) -> None:
    assert code(await say(alarm("a-1", "ann", "MRN-7"))) == ("CA", "a-1")
    assert {one.to for one in place.pages()} == {BOB}
    await place.after(5)
    assert code(await say(MERGE)) == ("AA", "adt-1")
    retired = await place.get("Patient", "ann")
    assert (retired["active"], retired["link"][0]["type"]) == (False, "replaced-by")
    # From now on the engine names the number that is left; the machine is in use for the retired record.
    assert code(await say(alarm("a-2", "ann", "MRN-8", phase="continue"))) == ("CA", "a-2")
    await place.after(50)
    assert {one.to for one in place.pages()} == {BOB, EVE, NINA}
    assert await place.query("SELECT patient, condition, closed FROM alert") == [
        ("ann", "present", None)
    ]
    assert code(await say(alarm("b-1", "anne", "MRN-7"))) == ("CA", "b-1")
    assert place.pages(ZOE) != []
    told = place.pages(EVE, "sms")[0]
    assert (await place.writes(EVE, f"{told.code}h")).startswith("Thank you")
    answered = dict(await place.query("SELECT patient, response FROM alert"))
    assert answered["ann"] == "at-patient"
    assert answered["anne"] != "at-patient"


async def test_somebody_elses_number_is_still_refused_after_a_merge(place: Place, say: Say) -> None:
    await say(MERGE)
    await place.put(patient("bea", "MRN-9"))
    assert code(await say(alarm("a-1", "ann", "MRN-9"))) == ("CE", "a-1")
    assert await place.query("SELECT reason FROM dead_letter") == [("wrong-patient",)]
    assert place.pages() == []
