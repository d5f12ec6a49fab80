"""A row made from a template is the row that indexing the whole event makes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver import definitions
from fhirserver.auditing.event import audit_event
from fhirserver.auditing.leaf import leaf_of
from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel import keys
from fhirserver.kernel.audit import Actor, Happening
from fhirserver.search import coarse
from fhirserver.store import audit_rows
from fhirserver.store.audit_template import Place, Row
from fhirserver.store.rows import index_columns
from fhirserver.wire import fhir_json
from fhirserver.wire.canonical_json import canonical

BASE = "https://clinic.example/fhir"
NOW = datetime(2026, 11, 21, 10, 0, 0, 123_000, tzinfo=UTC)


class Own:
    """Keys of a tenant, as far as the index needs them."""

    tenant = 7
    blind = BlindIndex(bytes(32), 1)


PLACE = Place(Own(), definitions.load(), NOW, audit_rows._bits())  # type: ignore[arg-type]

texts = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12)
actors = st.builds(
    Actor,
    reference=st.sampled_from(["", "Practitioner/Nurse-1", "Patient/ann", "PractitionerRole/x.y"]),
    kind=st.sampled_from(["admin", "practitioner", "client", ""]),
    client=st.sampled_from(["", "My-App"]),
    account=st.sampled_from(["", "5f2b"]),
    address=st.sampled_from(["", "192.0.2.1", "2001:db8::7"]),
)
happenings = st.builds(
    Happening,
    tenant=st.just(7),
    what=st.sampled_from(["read", "vread", "search", "update", "delete", "operation", "ingest", "disclosed"]),
    at=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    actor=actors,
    outcome=st.sampled_from(["0", "4", "8"]),
    objects=st.lists(
        st.one_of(
            st.builds("Observation/{}/_history/{}".format, texts, st.integers(1, 9)),
            st.builds("Patient/{}".format, texts),
            st.builds("Task/{}".format, texts),
            st.just("Patient/ann"),
        ),
        max_size=2,
    ).map(tuple),
    query=st.one_of(st.just(b""), st.binary(max_size=60), texts.map(str.encode)),
    request_id=st.one_of(st.just(""), texts, st.just('a"b\\')),
    purpose=st.sampled_from(["", "BTG"]),
    detail=st.sampled_from(["", "403", "invalid_grant"]),
    recipient=st.sampled_from(["", "RelatedPerson/Bob", "hooks.example"]),
)  # fmt: skip


def made(happening: Happening, patient: str | None) -> Row:
    return audit_rows.AuditRows(BASE)._row(PLACE, happening, patient)


@settings(max_examples=80, deadline=None)
@given(happenings, st.sampled_from([None, "ann", "Some.Body-2"]))
def test_a_template_makes_the_row_that_the_index_makes(
    happening: Happening, patient: str | None
) -> None:
    row = made(happening, patient)
    event = fhir_json.read(row.content)
    expected = audit_event(happening, patient, BASE)
    assert {k: v for k, v in event.items() if k not in ("id", "meta")} == {
        k: v for k, v in expected.items() if k != "meta"
    }
    assert event["id"] == row.row
    assert canonical(event) == row.content
    assert row.leaf == leaf_of(7, row.content)
    columns = index_columns(event, Own.blind, definitions.load())
    assert sorted(set(map(int, row.keys.split(",")))) == columns.keys
    assert columns.own == row.own
    assert columns.time == datetime.fromisoformat(row.at)
    assert columns.ranges == ()
    assert row.patient == (None if patient is None else Own.blind.own(f"Patient/{patient}"))


def test_the_bucket_of_a_row_is_its_patients() -> None:
    happening = Happening(7, "read", NOW, Actor())
    row = made(happening, "ann")
    assert row.bucket == keys.bucket_of(7, "Patient", "ann")
    assert keys.bucket_of(7, "AuditEvent", row.row) == row.bucket


@pytest.mark.parametrize("request_id", ['"', "\\", "a b"])
def test_what_json_would_escape_is_never_pasted(request_id: str) -> None:
    happening = Happening(7, "read", NOW, Actor(), objects=("Task/x",), request_id=request_id)
    event = fhir_json.read(made(happening, None).content)
    assert event["entity"][-1]["what"]["identifier"]["value"] == request_id


def test_templates_do_not_grow_without_end() -> None:
    rows = audit_rows.AuditRows(BASE)
    happening = Happening(7, "read", NOW, Actor())
    for number in range(audit_rows._TEMPLATES + 10):
        rows._row(PLACE, replace(happening, detail=str(number)), None)
    assert len(rows._templates) <= audit_rows._TEMPLATES


def test_no_key_of_an_audit_event_depends_on_its_row() -> None:
    assert "AuditEvent" not in coarse.MEASURED


def test_row_ids_do_not_repeat() -> None:
    happening = Happening(7, "read", NOW, Actor())
    rows = audit_rows.AuditRows(BASE)
    made = {rows._row(PLACE, happening, "ann").row for _ in range(500)}
    assert len(made) == 500
