"""Everything that is sent about a patient is an audited disclosure: messages, calls and notifications."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json
from fhirserver.store.audit_rows import AuditRows
from fhirserver.store.audit_spool import AuditSpool
from fhirserver.wire import fhir_json
from subscriptions.channels.email import Email, MailServer
from subscriptions.channels.message import Message
from tests.contract.receivers import mail_receiver
from tests.integration.auditing.conftest import references
from tests.integration.response.conftest import BASE, BOB, Place
from tests.integration.response.test_channel_types import have
from tests.integration.response.test_rest_hook import URL, subscribe, subscription
from tests.oracles.balp import violations
from tests.patience import PATIENCE_SECONDS


def audited(place: Place) -> None:
    """Have the transactions of this house tell the audit."""
    record: Any = place.record
    record._write = replace(record._write, audit_rows=AuditSpool())
    record._work = replace(record._work, audit_rows=AuditSpool())


async def disclosures(place: Place) -> list[Json]:
    expansion = place.record.audit_expansion(AuditRows("http://test/fhir"))
    while await expansion.one(place.tenant):
        pass
    async with place.record.work(place.tenant) as tx:
        number = tx.definitions.type_number("AuditEvent")
        rows = await tx.execute("SELECT id FROM resource WHERE type = %s ORDER BY id", (number,))
    access = Access(Principal(place.tenant, "admin", ""), everything=True)
    events = [
        fhir_json.read((await place.record.read(access, "AuditEvent", str(row[0]))).content)
        for row in rows
    ]
    return [one for one in events if one["type"]["code"] == "110106"]


async def test_a_page_by_telephone_is_a_disclosure_to_that_person(place: Place) -> None:
    audited(place)
    await place.alarm()
    assert place.pages(BOB, "sms")
    told = await disclosures(place)
    pages = [one for one in told if any("Patient/ann" in str(e) for e in one["entity"])]
    assert pages, told
    assert {one["outcomeDesc"] for one in pages} == {"sms handed-over", "voice handed-over"}
    for event in pages:
        assert violations(event) == []
        assert event["agent"][1]["who"] == {"reference": "RelatedPerson/bob"}
        assert BOB not in str(event)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_notification_to_a_hook_is_a_disclosure_to_its_host(
    place: Place, *, fails: bool
) -> None:
    audited(place)
    await subscribe(place, subscription())
    if fails:
        place.receiver.failing.add(URL)
    await place.alarm()
    (event,) = [one for one in await disclosures(place) if "rest-hook" in one["outcomeDesc"]]
    result = (event["outcome"], event["outcomeDesc"])
    assert result == (("8", "rest-hook unavailable") if fails else ("0", "rest-hook handed-over"))
    assert violations(event) == []
    assert references(event) == ["Subscription/s1", "Patient/ann"]
    # The host and nothing behind it: paths of hooks hold secrets.
    assert event["agent"][1]["who"] == {"display": "ehr.example.org"}


async def test_a_message_to_another_server_is_a_disclosure(place: Place) -> None:
    audited(place)
    have(place, Message(place.receiver, BASE))  # type: ignore[arg-type]
    wish = subscription(url="https://other.example.org/fhir", channel={"type": "message"})
    await subscribe(place, wish)
    await place.alarm()
    (event,) = [one for one in await disclosures(place) if "message" in one["outcomeDesc"]]
    assert (event["outcome"], event["outcomeDesc"]) == ("0", "message handed-over")
    assert violations(event) == []
    assert references(event) == ["Subscription/s1", "Patient/ann"]
    assert event["agent"][1]["who"] == {"display": "other.example.org"}


async def test_a_letter_is_a_disclosure(place: Place) -> None:
    audited(place)
    async with mail_receiver() as post_office, asyncio.timeout(PATIENCE_SECONDS):
        server = MailServer("127.0.0.1", post_office.port, "none", "alerts@hospital.example.org")
        have(place, Email(server))
        channel = {
            "type": "email",
            "payload": "text/plain;attach=application/fhir+xml",
        }
        wish = subscription(url="mailto:ehr@example.org", channel=channel)
        del wish["channel"]["header"]
        await subscribe(place, wish)
        await place.alarm()
        assert len(post_office.got) == 2
    (event,) = [one for one in await disclosures(place) if "email" in one["outcomeDesc"]]
    assert (event["outcome"], event["outcomeDesc"]) == ("0", "email handed-over")
    assert violations(event) == []
    assert references(event) == ["Subscription/s1", "Patient/ann"]
    assert "ehr@" not in str(event)


async def test_a_handshake_tells_nothing_and_is_no_disclosure(place: Place) -> None:
    audited(place)
    await subscribe(place, subscription())
    assert [one for one in await disclosures(place) if "rest-hook" in one["outcomeDesc"]] == []
