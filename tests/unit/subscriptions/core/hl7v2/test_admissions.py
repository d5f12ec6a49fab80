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
from subscriptions.core.hl7v2.beside import leads_to
from subscriptions.core.hl7v2.enclosed import Enclosed
from subscriptions.core.hl7v2.messages import messages
from tests.unit.subscriptions.core.hl7v2.notifications import ANN, NOW, bundle

ASKED = Asked("ADT", {5: "EHR"})
SITES = sites.load(unknown="accept")
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


BEFORE: Any = {"reference": "Location/w1"}
NOW_AT: Any = {"reference": "Location/w2"}
WARDS: list[Json] = [
    {"resourceType": "Location", "id": "w1", "name": "Ward 1"},
    {"resourceType": "Location", "id": "w2", "name": "Ward 2"},
]


def changed(now: Json, before: Json, *, topic: str = TOPIC_ADMISSION, context: Any = ()) -> Message:
    told = bundle([now], topic=topic, context=[PEOPLE, *WARDS, *context], action="update")
    (made,) = messages(told, ASKED, "s1", NOW, Enclosed(before={7: before}))
    parse_message(made.text).validate()
    return read(made.text)


def stay(status: str, *places: Json, **more: Any) -> Json:
    return {**STAY, "status": status, "location": [{"location": one} for one in places], **more}


@pytest.mark.parametrize("topic", [TOPIC_ADMISSION, TOPIC_RESOURCE_CHANGE])
def test_somebody_who_is_elsewhere_now_was_transferred(topic: str) -> None:
    message = changed(stay("in-progress", NOW_AT), stay("in-progress", BEFORE), topic=topic)
    assert message.header.raw(9) == "ADT^A02^ADT_A02"
    visit = message.first("PV1")
    assert visit is not None
    assert (visit.raw(3), visit.raw(6)) == ("^^^^^^^^Ward 2", "^^^^^^^^Ward 1")
    found = {one.type: one.content for one in mapped(message).resources}
    assert found["Encounter"]["status"] == "in-progress"


@pytest.mark.parametrize("topic", [TOPIC_ADMISSION, TOPIC_RESOURCE_CHANGE])
def test_a_discharge_that_is_taken_back_is_cancelled(topic: str) -> None:
    message = changed(stay("in-progress", BEFORE), stay("finished", BEFORE), topic=topic)
    assert message.header.raw(9) == "ADT^A13^ADT_A01"
    found = {one.type: one.content for one in mapped(message).resources}
    assert found["Encounter"]["status"] == "in-progress"


@pytest.mark.parametrize(
    ("now", "before", "kind"),
    [
        (stay("in-progress", BEFORE), stay("planned", BEFORE), "A01"),
        (stay("in-progress", BEFORE), stay("in-progress", BEFORE), "A08"),
        (stay("in-progress", BEFORE), stay("in-progress"), "A08"),
        (stay("in-progress", NOW_AT), stay("in-progress", BEFORE, subject={"reference": "Patient/b"}), "A01"),
        (stay("in-progress", BEFORE), stay("in-progress", BEFORE, **{"class": {"code": "AMB"}}), "A01"),
        (stay("finished", NOW_AT), stay("in-progress", BEFORE), "A03"),
    ],
)  # fmt: skip
def test_other_changes_stay_what_they_were(now: Json, before: Json, kind: str) -> None:
    assert changed(now, before).header.raw(9).split("^")[1] == kind


SURVIVOR: Json = {
    "resourceType": "Patient",
    "id": "ann2",
    "identifier": [{"system": "urn:oid:1.2.3.4", "value": "MRN-9"}],
    "name": [{"family": "Doe"}],
}
RETIRED: Json = {
    **PEOPLE,
    "active": False,
    "link": [{"other": {"reference": "Patient/ann2"}, "type": "replaced-by"}],
}


def test_a_record_that_ends_in_another_is_merged() -> None:
    message = changed(RETIRED, PEOPLE, topic=TOPIC_RESOURCE_CHANGE, context=[SURVIVOR])
    assert message.header.raw(9) == "ADT^A40^ADT_A39"
    pid, mrg = message.first("PID"), message.first("MRG")
    assert pid is not None
    assert mrg is not None
    assert pid.raw(3) == "MRN-9^^^&1.2.3.4&ISO"
    assert mrg.raw(1).split("~")[0] == "MRN-7^^^&1.2.3.4&ISO^MR"
    (merge,) = mapped(message).merges
    assert merge.retired[0] == "identifier=urn%3Aoid%3A1.2.3.4%7CMRN-7"


@pytest.mark.parametrize(("before", "context"), [(RETIRED, [SURVIVOR]), (PEOPLE, [])])
def test_a_merge_is_told_once_and_only_with_its_survivor(before: Json, context: Any) -> None:
    message = changed(RETIRED, before, topic=TOPIC_RESOURCE_CHANGE, context=context)
    assert message.header.raw(9) == "ADT^A31^ADT_A05"


def test_where_somebody_is_and_where_their_record_ends_is_brought_along() -> None:
    assert set(leads_to(stay("in-progress", BEFORE))) == {"Patient/ann", "Location/w1"}
    assert set(leads_to(RETIRED)) == {"Patient/ann2"}
