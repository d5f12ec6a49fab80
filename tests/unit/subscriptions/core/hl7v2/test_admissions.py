"""ADT: stays and people, read back by the mappings for what comes in."""

from typing import Any

import pytest
from hl7apy.parser import parse_message

from adapters.hl7v2 import sites
from adapters.hl7v2.mapping.mapped import Mapped
from adapters.hl7v2.routing import interpret
from fhirserver.kernel.canonical import TOPIC_ADMISSION, TOPIC_RESOURCE_CHANGE
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.message import Message, read
from subscriptions.core.hl7v2.asked import Asked
from subscriptions.core.hl7v2.messages import messages
from tests.unit.subscriptions.core.hl7v2.notifications import ANN, NOW, bundle

ASKED = Asked("ADT", {5: "EHR"})
SITES = sites.load()
PEOPLE: Json = {
    **ANN,
    "address": [
        {
            "use": "home",
            "line": ["1 Elm St", "Flat 2"],
            "city": "Ulm",
            "postalCode": "89073",
            "country": "DE",
        }
    ],
    "telecom": [
        {"system": "phone", "use": "home", "value": "+49731123"},
        {"system": "email", "use": "home", "value": "ann@example.org"},
        {"system": "phone", "use": "work", "value": "+49731456"},
        {"system": "phone", "use": "mobile", "value": "+49170123", "period": {"end": "2020"}},
    ],
    "maritalStatus": {
        "coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}
        ]
    },
    "deceasedBoolean": False,
}
STAY: Json = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "subject": {"reference": "Patient/ann"},
    "identifier": [{"system": "urn:oid:1.2.3.5", "value": "V-1"}],
    "period": {"start": "2026-08-01T08:00:00+02:00"},
    "location": [
        {"location": {"display": "Ward 1"}, "period": {"end": "2026-08-01"}},
        {"location": {"display": "Ward 2"}},
    ],
    "participant": [
        {
            "type": [
                {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                            "code": "ATND",
                        }
                    ]
                }
            ],
            "individual": {"display": "Dr No", "identifier": {"value": "D-1"}},
        }
    ],
}


def sent(resource: Json, *, topic: str = TOPIC_ADMISSION, action: str = "update") -> Message:
    told = bundle([resource], topic=topic, context=[PEOPLE], action=action)
    (made,) = messages(told, ASKED, "s1", NOW)
    strictly = parse_message(made.text)
    strictly.validate()
    return read(made.text)


def mapped(message: Message) -> Mapped:
    """Return what our own mappings make of a message that was sent."""
    sender = SITES.sender_of(message.header, sites.Peer("10.1.2.3"))
    assert sender is not None
    found = interpret(message, sender, SITES.plans)
    assert found.refusal is None
    assert found.mapped is not None
    return found.mapped


@pytest.mark.parametrize(
    ("changes", "topic", "action", "kind"),
    [
        ({}, TOPIC_ADMISSION, "update", "ADT^A01^ADT_A01"),
        ({"class": {"code": "EMER"}}, TOPIC_ADMISSION, "create", "ADT^A04^ADT_A01"),
        ({"status": "finished"}, TOPIC_ADMISSION, "update", "ADT^A03^ADT_A03"),
        ({"status": "cancelled"}, TOPIC_ADMISSION, "update", "ADT^A11^ADT_A09"),
        ({"status": "entered-in-error"}, TOPIC_ADMISSION, "update", "ADT^A11^ADT_A09"),
        ({"status": "planned"}, TOPIC_RESOURCE_CHANGE, "create", "ADT^A05^ADT_A05"),
        ({}, TOPIC_RESOURCE_CHANGE, "create", "ADT^A01^ADT_A01"),
        ({}, TOPIC_RESOURCE_CHANGE, "update", "ADT^A08^ADT_A01"),
    ],
)
def test_what_a_stay_has_become_decides_the_event(
    changes: Json, topic: str, action: str, kind: str
) -> None:
    assert sent({**STAY, **changes}, topic=topic, action=action).header.raw(9) == kind


def test_a_stay_comes_back() -> None:
    found = {one.type: one.content for one in mapped(sent(STAY)).resources}
    stay = found["Encounter"]
    assert stay["status"] == "in-progress"
    assert stay["class"]["code"] == "IMP"
    assert stay["identifier"] == [{"system": "urn:oid:1.2.3.5", "value": "V-1"}]
    assert stay["period"] == {"start": "2026-08-01T08:00:00+02:00"}
    assert stay["location"] == [{"location": {"display": "Ward 2"}, "status": "active"}]
    (doctor,) = stay["participant"]
    assert doctor["individual"]["display"] == "Dr No"


@pytest.mark.parametrize(("action", "event"), [("create", "A28"), ("update", "A31")])
def test_a_person_comes_back(action: str, event: str) -> None:
    message = sent(PEOPLE, topic=TOPIC_RESOURCE_CHANGE, action=action)
    assert message.header.raw(9) == f"ADT^{event}^ADT_A05"
    (person,) = [one.content for one in mapped(message).resources if one.type == "Patient"]
    assert [(one["system"], one["value"]) for one in person["identifier"]] == [
        ("urn:oid:1.2.3.4", "MRN-7"),
        ("https://w3id.org/fhirserver/NamingSystem/hl7v2/CLINIC", "a|b^c&d~e\\f"),
    ]
    for element in ("gender", "birthDate", "deceasedBoolean"):
        assert person[element] == PEOPLE[element]
    (name,) = person["name"]
    assert (name["family"], name["given"], name["prefix"]) == ("Doe", ["Ann", "Bea Cid"], ["Dr"])
    (home,) = person["address"]
    assert (home["line"], home["city"], home["country"]) == (["1 Elm St", "Flat 2"], "Ulm", "DE")
    numbers: list[Any] = [(one["system"], one["value"]) for one in person["telecom"]]
    assert numbers == [
        ("phone", "+49731123"),
        ("email", "ann@example.org"),
        ("phone", "+49731456"),
    ]
    assert person["maritalStatus"]["coding"][0]["code"] == "M"


def test_a_stay_of_somebody_who_may_not_be_seen_is_not_told() -> None:
    told = bundle([STAY], topic=TOPIC_ADMISSION, context=[])
    assert messages(told, ASKED, "s1", NOW) == ()


def test_parts_that_are_only_extended_are_left_out() -> None:
    odd = {
        **PEOPLE,
        "name": [{"family": "Doe", "given": [None, "Ann"], "prefix": [None], "suffix": [None]}],
        "address": [{"line": [None, "Flat 2"]}],
        "maritalStatus": {"text": "x"},
        "communication": [{"language": {"text": "Latin"}}],
    }
    message = sent(odd, topic=TOPIC_RESOURCE_CHANGE)
    pid = message.first("PID")
    assert pid is not None
    assert (pid.raw(5), pid.raw(11), pid.raw(15), pid.raw(16)) == (
        "Doe^Ann",
        "Flat 2",
        "^Latin",
        "",
    )
