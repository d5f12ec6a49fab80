"""Everything that is sent about a patient is an audited disclosure: messages, calls and notifications."""

from dataclasses import replace
from typing import Any

from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json
from fhirserver.store.audit_rows import AuditRows
from fhirserver.store.audit_spool import AuditSpool
from fhirserver.wire import fhir_json
from tests.integration.response.conftest import BOB, Place
from tests.oracles.balp import violations


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
