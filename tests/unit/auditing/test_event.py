"""AuditEvents of every kind are valid R4 and keep the rules of the patterns they claim."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import pytest

from fhirserver import definitions
from fhirserver.auditing.codes import CODED, OWN
from fhirserver.auditing.event import audit_event, audit_events
from fhirserver.definitions.patient_of import patients_of
from fhirserver.kernel.audit import Actor, Happening, Outcome, What
from fhirserver.validation import validate
from fhirserver.wire import fhir_json
from tests.oracles.balp import violations

BASE = "https://clinic.example/fhir"
NURSE = Actor("Practitioner/nurse", "practitioner", "app-1", "account-1", "192.0.2.7")
AT = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
FULL = Happening(
    1,
    "read",
    AT,
    NURSE,
    patients=frozenset({"ann"}),
    objects=("Observation/o/_history/1",),
    query=b"patient=ann&name=O'Hara",
    request_id="r-1",
)
RESTFUL = ("create", "read", "vread", "update", "patch", "delete", "search")


@pytest.mark.parametrize("what", get_args(What))
@pytest.mark.parametrize("outcome", get_args(Outcome))
@pytest.mark.parametrize("patient", ["ann", None])
def test_every_kind_is_valid_and_keeps_the_pattern_it_claims(
    what: What, outcome: Outcome, patient: str | None
) -> None:
    happening = replace(FULL, what=what, outcome=outcome, recipient="RelatedPerson/bob")
    event = audit_event(happening, patient, BASE)
    assert [one for one in validate(event) if one.severity in ("error", "fatal")] == []
    assert violations(event) == []
    assert patients_of(event) == (frozenset() if patient is None else frozenset({patient}))


@pytest.mark.parametrize("what", [*RESTFUL, "disclosed"])
def test_what_balp_has_a_pattern_for_claims_it(what: What) -> None:
    event = audit_event(replace(FULL, what=what, recipient="RelatedPerson/bob"), "ann", BASE)
    assert event["meta"]["profile"][0].startswith("https://profiles.ihe.net/ITI/BALP/")
    refused = audit_event(replace(FULL, what=what, outcome="4"), "ann", BASE)
    assert "meta" not in refused


def test_the_oracle_itself_notices_what_is_missing() -> None:
    event = audit_event(FULL, "ann", BASE)
    assert violations(event) == []
    for part in ("action", "subtype", "recorded"):
        assert violations({name: value for name, value in event.items() if name != part}), part
    assert violations({**event, "agent": event["agent"][1:]})
    assert violations({**event, "entity": event["entity"][:1]})
    assert violations({**event, "entity": [*event["entity"], event["entity"][1]]})


@pytest.mark.parametrize("what", RESTFUL)
@pytest.mark.parametrize("query", [b"", b"?_format=json"])
@pytest.mark.parametrize(
    "objects", [(), ("Patient/ann",), ("Task/t/_history/1",), ("Task/a", "Task/b")]
)
def test_whatever_is_asked_beside_the_pattern_is_kept(
    what: What, query: bytes, objects: tuple[str, ...]
) -> None:
    event = audit_event(replace(FULL, what=what, query=query, objects=objects), "ann", BASE)
    assert violations(event) == []
    assert sum("query" in one for one in event["entity"]) == (bool(query) or what == "search")
    named = [one["what"].get("reference") for one in event["entity"] if "what" in one]
    assert set(objects) <= set(named)


def test_who_deleted_is_named_with_their_account() -> None:
    event = audit_event(replace(FULL, what="delete"), "ann", BASE)
    assert event["agent"][2]["who"] == {
        "reference": "Practitioner/nurse", "identifier": {"value": "account-1"},
    }  # fmt: skip
    assert violations(event) == []
    assert violations(
        {**event, "agent": [*event["agent"][:2], {**event["agent"][2], "altId": "x"}]}
    )


def test_there_is_one_event_for_each_patient_and_one_where_there_is_none() -> None:
    both = replace(FULL, what="search", patients=frozenset({"joe", "ann"}), objects=())
    assert [sorted(patients_of(one)) for one in audit_events(both, BASE)] == [["ann"], ["joe"]]
    nobody = replace(both, patients=frozenset())
    (event,) = audit_events(nobody, BASE)
    assert patients_of(event) == frozenset()
    assert event["meta"]["profile"] == [
        "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Query"
    ]


def test_a_query_is_kept_as_it_came() -> None:
    event = audit_event(replace(FULL, query=b"name=%00\xff'; DROP"), "ann", BASE)
    (query,) = [one["query"] for one in event["entity"] if "query" in one]
    assert base64.b64decode(query) == b"name=%00\xff'; DROP"


def test_another_patient_is_named_but_the_event_is_not_about_them() -> None:
    event = audit_event(replace(FULL, objects=("Patient/joe",)), "ann", BASE)
    assert patients_of(event) == {"ann"}
    assert event["entity"][0]["what"] == {"identifier": {"value": "Patient/joe"}}


def test_an_emergency_says_so() -> None:
    event = audit_event(replace(FULL, what="break-glass"), "ann", BASE)
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "BTG"
    read = audit_event(replace(FULL, purpose="BTG"), "ann", BASE)
    assert read["purposeOfEvent"] == event["purposeOfEvent"]


@pytest.mark.parametrize(
    ("actor", "agents"),
    [
        (NURSE, [False, False, True]),
        (Actor(kind="admin", address="::1"), [False, False, True]),
        (Actor("backend", "client", "backend"), [True, False]),
        (Actor("Device/cycler", "device"), [True, False]),
        (Actor(address="192.0.2.9"), [True, False]),
    ],
)
def test_whoever_asked_is_the_requestor(actor: Actor, agents: list[bool]) -> None:
    event = audit_event(replace(FULL, actor=actor), "ann", BASE)
    assert [one["requestor"] for one in event["agent"]] == agents


@pytest.mark.parametrize(
    ("address", "type_"),
    [("192.0.2.1", "2"), ("2001:db8::1", "2"), ("tel:", "3"), ("https://x.example", "5"),
     ("ward-pc", "1"), ("", "1")],
)  # fmt: skip
def test_an_address_says_what_it_is(address: str, type_: str) -> None:
    event = audit_event(replace(FULL, actor=Actor(address=address)), "ann", BASE)
    assert event["agent"][0]["network"]["type"] == type_


def test_every_code_of_ours_is_defined() -> None:
    own = {one.code for coded in CODED.values() for one in coded.subtypes if one.system == OWN}
    system = definitions.load().canonical("CodeSystem", OWN)
    assert system is not None
    assert own == {concept["code"] for concept in system["concept"]}


def test_events_are_read_back_as_they_were_written() -> None:
    event = audit_event(FULL, "ann", BASE)
    assert fhir_json.read(fhir_json.write(event)) == event
