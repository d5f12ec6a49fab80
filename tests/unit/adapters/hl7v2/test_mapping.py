"""The mapping language: what rules make of a message, what they leave, and what is wrong with a rule."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.mapping import source
from adapters.hl7v2.mapping.errors import MappingError, MappingRefuses
from adapters.hl7v2.mapping.mapped import Mapped, Merge
from adapters.hl7v2.mapping.plan import Plans
from adapters.hl7v2.report import Report
from fhirserver.wire.hl7v2.message import read

SENDER = Sender("engine", zone=ZoneInfo("Europe/Berlin"), identifiers={"CLINIC": "urn:oid:1.2.3"})
AUTHORITY = "https://w3id.org/fhirserver/NamingSystem/hl7v2/"
SHIPPED = source.together(source.shipped())
HEADER = "MSH|^~\\&|ENGINE|CLINIC|||20260801093006||ADT^A08^ADT_A01|1|P|2.5"


def run(
    mapping: dict[str, Any], *segments: str, report: Report | None = None, **more: Any
) -> Mapped:
    """Map a message of these segments; `mapping` holds resources and the rest of one mapping."""
    given = {
        "maps": {"m": {"messages": ["ADT^A08"], **mapping}},
        "tables": {**SHIPPED["tables"], **more.get("tables", {})},
        "datatypes": SHIPPED["datatypes"],
    }
    message = read("\r".join([HEADER, *segments]))
    return Plans(given).run(message, "ADT^A08", SENDER, report or Report())


def element(rule: Any, *segments: str, **more: Any) -> Any:
    """Return what `rule` makes in an element of a resource; None for nothing, "NULL" for an order to delete."""
    (made,) = run(
        {"resources": {"it": {"type": "Basic", "set": {"always": 1, "x": rule}}}}, *segments, **more
    ).resources
    return "NULL" if "x" in made.cleared else made.content.get("x")


PID = (
    "PID|1||MRN-7^^^CLINIC^MR~99^^^&1.2.9&ISO^NI~X||Müller^Anna^M^Dr~Doe^Ann^^^^^N||19800230|F|"
    '""||Weg 1^^Ulm^""||""~5551^PRN^PH'
)


@pytest.mark.parametrize(
    ("rule", "made"),
    [
        ("PID-8", "F"),
        ("PID-8 | table administrative-sex", "female"),
        ("PID-5", "Müller"),
        ("PID-5.2", "Anna"),
        ("PID-5[2].2", "Ann"),
        ("PID-5[3].2", None),
        ("PID-3[].1", ["MRN-7", "99", "X"]),
        ("PID-3.4.1", "CLINIC"),
        ("PID-99", None),
        ("ZZZ-3", None),
        ("PID-9", "NULL"),
        ("PID-9 | date", "NULL"),
        ("PID-9 | table administrative-sex", "NULL"),
        ("PID-9[] | use XPN", "NULL"),
        (["PID-9", "PID-8"], ["F"]),
        ("PID-99 | default =none", "none"),
        ("PID-8 | lower", "f"),
        ("PID-8 | lower | upper", "F"),
        ("PID-5 | base64", "TcO8bGxlcl5Bbm5hXk1eRHJ+RG9lXkFubl5eXl5eTg=="),
        ("=literal | kept", "literal | kept"),
        (7, 7),
        (False, False),
        ({"a": "PID-8", "b": "PID-99", "c": {"d": "PID-99"}}, {"a": "F"}),
        ({"a": "PID-9"}, None),
        ({"$need": "b", "a": "PID-8", "b": "PID-99"}, None),
        ({"$when": "PID-8", "a": 1}, {"a": 1}),
        ({"$when": "PID-99", "a": 1}, None),
        ({"$when": "PID-9", "a": 1}, None),
        ({"$first": ["PID-99", "PID-8", "PID-5"]}, "F"),
        ({"$first": ["PID-99", "PID-9"]}, "NULL"),
        ({"$merge": [{"$when": "PID-8", "a": 1}, {"$when": "PID-99", "a": 2}, {"b": 3}]}, {"a": 1, "b": 3}),
        ({"$each": "PID-3[]", "v": ".1", "t": ".5"}, [{"v": "MRN-7", "t": "MR"}, {"v": "99", "t": "NI"}, {"v": "X"}]),
    ],
)  # fmt: skip
def test_rules(rule: Any, made: Any) -> None:
    assert element(rule, PID) == made


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"path": "PID-8", "in": ["f", "M"]}, True),
        ({"path": "PID-8", "in": ["M"]}, False),
        ({"path": "PID-8", "not-in": ["M"]}, True),
        ({"path": "PID-99", "not-in": ["M"]}, True),
        ({"path": "PID-99", "exists": False}, True),
        ({"path": "PID-8", "exists": False}, False),
        ({"all": ["PID-8", {"path": "PID-99", "exists": False}]}, True),
        ({"any": ["PID-99", "PID-98"]}, False),
        ({"path": "PID-3[].5", "in": ["NI"]}, True),
    ],
)
def test_conditions(condition: Any, holds: bool) -> None:
    assert element({"$when": condition, "a": 1}, PID) == ({"a": 1} if holds else None)


@pytest.mark.parametrize(
    ("rule", "sent", "made"),
    [
        ("EVN-2 | date", "19800229", "1980-02-29"),
        ("EVN-2 | date", "1980", "1980"),
        ("EVN-2 | dateTime", "202608010930", "2026-08-01T09:30:00+02:00"),
        ("EVN-2 | dateTime", "202608010930+0000", "2026-08-01T09:30:00+00:00"),
        ("EVN-2 | instant", "20260801", None),
        ("EVN-2 | time", "202608010930", "09:30:00"),
        ("EVN-2 | integer", "+12", 12),
        ("EVN-2 | integer", "1.5", None),
        ("EVN-2 | decimal", "nonsense", None),
    ],
)
def test_conversions(rule: str, sent: str, made: Any) -> None:
    assert element(rule, f"EVN||{sent}") == made


def test_digits_are_kept() -> None:
    assert str(element("OBX-5 | decimal", "OBX|1|NM|x||1.50")) == "1.50"


def test_what_cannot_be_converted_is_left_out_and_told() -> None:
    report = Report()
    assert element("PID-7 | date", PID, report=report) is None
    assert [(one.code, one.severity) for one in report.warnings] == [("102", "W")]


def test_identifiers_are_of_the_system_of_their_assigner() -> None:
    assert element("PID-3[] | use CX", PID) == [
        {"use": "usual", "type": _type("MR"), "system": "urn:oid:1.2.3", "value": "MRN-7"},
        {"use": "official", "type": _type("NI"), "system": "urn:oid:1.2.9", "value": "99"},
        {"system": f"{AUTHORITY}sender/engine", "value": "X"},
    ]
    assert element("ORC-2 | use EI", "ORC|NW|7^OTHER") == {
        "system": f"{AUTHORITY}OTHER",
        "value": "7",
    }
    assert element("ORC-2 | use EI", "ORC|NW|^OTHER") is None
    assert element("ORC-2 | use EI", "ORC|NW|7^^http://a.b^URI") == {
        "system": "http://a.b",
        "value": "7",
    }


def _type(code: str) -> Any:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": code}]}


def test_names_addresses_and_telephones() -> None:
    assert element("PID-5[] | use XPN", PID) == [
        {"family": "Müller", "given": ["Anna", "M"], "suffix": ["Dr"]},
        {"use": "nickname", "family": "Doe", "given": ["Ann"]},
    ]
    assert element("PID-11[] | use XAD", PID) == [{"line": ["Weg 1"], "city": "Ulm"}]
    assert element(["PID-13[] | use XTN", "PID-14[] | use XTN"], PID) == [
        {"system": "phone", "value": "5551", "use": "home"}
    ]
    mail = "PID|||||||||||||^NET^Internet^ann@example.org"
    assert element("PID-13[] | use XTN", mail) == [{"system": "email", "value": "ann@example.org"}]


def test_codes_are_of_the_systems_their_names_mean() -> None:
    coded = "OBX|1|CE|2951-2^Sodium^LN^NA^Natrium^99LAB"
    assert element("OBX-3 | use CWE", coded) == {
        "coding": [
            {"system": "http://loinc.org", "code": "2951-2", "display": "Sodium"},
            {"system": "99LAB", "code": "NA", "display": "Natrium"},
        ],
        "text": "Sodium",
    }


def test_what_a_table_does_not_know() -> None:
    codes = {"codes": {"A": "a", "Z": None}}
    tables = {
        "drops": codes,
        "keeps": {**codes, "otherwise": "keep", "source": "urn:s"},
        "other": {**codes, "otherwise": "unknown", "target": "urn:t"},
        "refuses": {**codes, "otherwise": "refuse"},
    }
    report = Report()
    assert element("PID-8 | table drops", PID, tables=tables, report=report) is None
    assert next(iter(report.unread)) == "table drops: F"
    assert element("PID-8 | table keeps coding", PID, tables=tables) == {
        "system": "urn:s",
        "code": "F",
    }
    assert element("PID-8 | table other concept", PID, tables=tables) == {
        "coding": [{"system": "urn:t", "code": "unknown"}]
    }
    assert element("PID-8 | table drops", "PID||||||||z", tables=tables) is None
    with pytest.raises(MappingRefuses) as refused:
        element("PID-8 | table refuses", PID, tables=tables)
    assert refused.value.fault.code == "103"


LAB = {
    "resources": {
        "patient": {"type": "Patient", "each": "PID", "mode": "merge", "match": [{"identifier": "PID-3[] | token"}],
                    "set": {"gender": "PID-8", "birthDate": "PID-7 | date", "photo": "PID-9"}},
        "report": {"type": "DiagnosticReport", "each": "OBR", "with": ["OBX", "NTE"], "before": ["ORC"],
                   "set": {"code": "OBR-4", "order": "ORC-2", "subject": "->patient", "result": "=>observation"}},
        "observation": {"type": "Observation", "each": "OBX", "with": ["NTE"], "when": {"path": "OBX-3", "not-in": ["SKIP"]},
                        "need": "code",
                        "set": {"code": "OBX-3", "note": "NTE*-3", "of": "OBR-4", "subject": "->patient", "x": "->nobody"}},
        "nobody": {"type": "Basic", "each": "ZZZ", "set": {"a": 1}},
    }
}  # fmt: skip
LAB_MESSAGE = (
    PID, "ORC|NW|o-1", "OBR|1|||panel", "OBX|1||a", "NTE|1||n1", "ZXX|1", "NTE|2||n2", "OBX|2||SKIP", "OBR|2|||other",
    "OBX|1||b", "NTE|1||n3",
)  # fmt: skip


def test_resources_belong_to_the_segments_around_them() -> None:
    made = {one.name: one for one in run(LAB, *LAB_MESSAGE).resources}
    assert list(made) == ["patient", "report.1", "report.2", "observation.1", "observation.3"]
    assert made["report.1"].content == {
        "resourceType": "DiagnosticReport", "code": "panel", "order": "o-1",
        "subject": {"reference": "urn:hl7v2:patient"}, "result": [{"reference": "urn:hl7v2:observation.1"}],
    }  # fmt: skip
    # The order of the first panel is not that of the second.
    assert "order" not in made["report.2"].content
    assert made["report.2"].content["result"] == [{"reference": "urn:hl7v2:observation.3"}]
    assert made["observation.1"].content == {
        "resourceType": "Observation", "code": "a", "note": ["n1", "n2"], "of": "panel",
        "subject": {"reference": "urn:hl7v2:patient"},
    }  # fmt: skip
    assert made["observation.3"].content["of"] == "other"


def test_what_finds_a_resource_and_what_is_said_of_it() -> None:
    patient = next(one for one in run(LAB, *LAB_MESSAGE).resources if one.name == "patient")
    assert patient.mode == "merge"
    assert patient.match == (
        "identifier=urn%3Aoid%3A1.2.3%7CMRN-7",
        "identifier=urn%3Aoid%3A1.2.9%7C99",
        f"identifier={AUTHORITY.replace(':', '%3A').replace('/', '%2F')}sender%2Fengine%7CX",
    )
    assert patient.touched == {"gender", "birthDate", "photo"}
    assert patient.cleared == {"photo"}
    assert patient.content == {"resourceType": "Patient", "gender": "F"}


def test_a_value_cannot_become_part_of_a_search() -> None:
    (made,) = run(
        {
            "resources": {
                "p": {
                    "type": "Patient",
                    "match": [{"identifier": "PID-3[] | token"}],
                    "set": {"a": 1},
                }
            }
        },
        "PID|||a\\F\\,$?\\T\\=ü^^^CLINIC",
    ).resources
    assert made.match == ("identifier=urn%3Aoid%3A1.2.3%7Ca%5C%7C%5C%2C%5C%24%3F%26%3D%C3%BC",)


def test_references_to_what_was_not_made_are_left_out() -> None:
    mapping = {
        "resources": {
            "a": {"type": "Basic", "set": {"n": 1, "to": "->b", "many": ["->b", "->c"]}},
            "b": {"type": "Basic", "each": "PID", "need": "x", "set": {"x": "PID-99", "y": 1}},
            "c": {"type": "Basic", "each": "PID", "set": {"y": 1}},
        }
    }
    made = run(mapping, PID).resources
    assert made[0].content == {
        "resourceType": "Basic", "n": 1, "many": [{"reference": "urn:hl7v2:c"}]
    }  # fmt: skip


def test_records_that_became_one() -> None:
    mapping = {
        "resources": {"patient": {"type": "Patient", "each": "PID", "set": {"active": True}}},
        "merges": [
            {"survivor": "patient", "each": "MRG", "retired": [{"identifier": "MRG-1[] | token"}]}
        ],
    }
    found = run(
        mapping,
        "PID|||new^^^CLINIC",
        "MRG|old^^^CLINIC~older^^^CLINIC",
        "PID|||new2^^^CLINIC",
        "MRG|old2^^^CLINIC",
    )
    prefix = "identifier=urn%3Aoid%3A1.2.3%7C"
    assert found.merges == (
        Merge("patient.1", (f"{prefix}old", f"{prefix}older")),
        Merge("patient.2", (f"{prefix}old2",)),
    )


def test_what_is_needed_and_missing_refuses_the_message() -> None:
    with pytest.raises(MappingRefuses) as refused:
        run({"needs": ["PID-3"], "resources": {}}, "PID|1")
    place = refused.value.fault.place
    assert place is not None
    assert (refused.value.fault.code, place.segment, place.field) == ("101", "PID", 3)


def test_what_no_rule_reads_is_told() -> None:
    report = Report()
    mapping = {
        "ignores": ["PV1", "PID-4"],
        "resources": {"p": {"type": "Patient", "set": {"g": "PID-8"}}},
    }
    run(mapping, "PID|1||||x|||F||||addr", "PV1|1|I", "ZPI|1|secret", "PV2|1", report=report)
    assert list(report.unread) == ["PID-5", "PID-12", "ZPI", "PV2"]


@pytest.mark.parametrize(
    "mapping",
    [
        {"resources": {"p": {"type": "Patient", "set": {"a": "PID-"}}}},
        {"resources": {"p": {"type": "Patient", "set": {"a": "PID-1 | nonsense"}}}},
        {"resources": {"p": {"type": "Patient", "set": {"a": "PID-1 | table nonsense"}}}},
        {"resources": {"p": {"type": "Patient", "set": {"a": "PID-1 | use nonsense"}}}},
        {"resources": {"p": {"type": "Patient", "set": {"a": {"$odd": 1}}}}},
        {"resources": {"p": {"type": "Patient", "set": {"a": {"$first": "PID-1"}}}}},
        {"resources": {"p": {"type": "Patient", "set": {"a": None}}}},
        {"resources": {"p": {"type": "Patient", "set": {"a": {"$when": {"odd": 1}, "b": 1}}}}},
        {"resources": {"p": {"type": "Patient", "set": {"a": "->missing"}}}},
        {"resources": {"p": {"type": "Patient", "mode": "guess", "set": {}}}},
        {"resources": {"p": {"set": {}}}},
        {"resources": {"p": {"type": "Patient", "odd": 1}}},
        {"resources": {"p": {"type": "Patient", "match": {"identifier": "PID-3"}}}},
        {"merges": [{"survivor": "p"}]},
        {"odd": 1},
        {"messages": []},
    ],
)
def test_a_mapping_that_cannot_be_used_stops_the_start(mapping: dict[str, Any]) -> None:
    with pytest.raises(MappingError) as wrong:
        run(mapping)
    assert wrong.value.problems[0].startswith("maps.m")


def test_every_problem_is_told_at_once() -> None:
    mapping = {
        "resources": {"p": {"type": "Patient", "set": {"a": "?", "b": "!", "c": {"d": ["%"]}}}}
    }
    with pytest.raises(MappingError) as wrong:
        run(mapping)
    assert [one.split(":")[0] for one in wrong.value.problems] == [
        "maps.m.resources.p.set.a", "maps.m.resources.p.set.b", "maps.m.resources.p.set.c.d[0]",
    ]  # fmt: skip


def test_mappings_of_one_message_share_their_names() -> None:
    given = {
        "maps": {
            "one": {"messages": ["ADT^*"], "resources": {"patient": {"type": "Patient", "set": {"active": True}}}},
            "two": {"messages": ["ADT^A08"], "resources": {"visit": {"type": "Encounter", "set": {"subject": "->patient"}}}},
            "else": {"messages": ["ORM^O01"], "resources": {"order": {"type": "ServiceRequest", "set": {"a": 1}}}},
        }
    }  # fmt: skip
    found = Plans(given).run(read(HEADER), "ADT^A08", SENDER, Report())
    assert [one.content for one in found.resources] == [
        {"resourceType": "Patient", "active": True},
        {"resourceType": "Encounter", "subject": {"reference": "urn:hl7v2:patient"}},
    ]


def test_two_resources_of_one_name_are_refused() -> None:
    one = {
        "messages": ["ADT^*"],
        "resources": {"patient": {"type": "Patient", "set": {"active": True}}},
    }
    with pytest.raises(MappingError):
        Plans({"maps": {"one": one, "two": one}})


def test_yaml_is_read_without_guesses() -> None:
    found = source.read("x", b"tables: {t: {codes: {NO: no, y: 2026-08-01, on: off}}}")
    assert found == {"tables": {"t": {"codes": {"NO": "no", "y": "2026-08-01", "on": "off"}}}}
    assert yaml.safe_load("on") is True


@pytest.mark.parametrize(
    "content",
    [
        b"maps: [",
        b"- a",
        b"odd: 1",
        b"maps: {a: 1, a: 2}",
        b"\xff",
        b"maps: !!python/object:os.x {}",
    ],
)
def test_files_that_are_no_mappings_are_named(content: bytes) -> None:
    with pytest.raises(MappingError) as wrong:
        source.together([("ward.yaml", content)])
    assert wrong.value.problems[0].startswith("ward.yaml: ")


def test_a_site_lies_over_what_is_shipped() -> None:
    below = b"maps: {m: {resources: {p: {set: {a: PID-1, b: PID-2, c: [PID-3]}}}}}"
    above = b"maps: {m: {resources: {p: {set: {a: ZPI-1, b: null, c: [ZPI-3]}}}}}"
    found = source.together([("one", below), ("two", above)])
    assert found["maps"]["m"]["resources"]["p"]["set"] == {"a": "ZPI-1", "c": ["ZPI-3"]}
    codes = b"tables: {t: {codes: {A: null, B: b}, otherwise: null}}"
    assert source.together([("one", codes), ("two", b"tables: {t: {codes: {B: null}}}")]) == {
        "tables": {"t": {"codes": {"A": None, "B": None}}}
    }


@pytest.mark.parametrize(
    ("rule", "made"),
    [
        ({"$join": "PID-3[].1", "$with": "+"}, "MRN-7+99+X"),
        ({"$join": ["PID-5.1", "PID-8"]}, "Müller\nF"),
        ({"$join": "PID-8", "$as": "base64"}, "Rg=="),
        ({"$join": "PID-20"}, None),
        ({"$digest": ["PID-20", "PID-8"]}, None),
        ({"$later": ["PID-20 | dateTime", 30]}, None),
        ({"$later": ["=2026-08-01T23:45:00+02:00", 30]}, "2026-08-02T00:15:00+02:00"),
        ({"$when": {"path": "PID-8", "matches": "[MF]"}, "a": 1}, {"a": 1}),
        ({"$when": {"path": "PID-8", "not-matches": "[MF]"}, "a": 1}, None),
        ({"$when": {"path": "PID-9", "exists": True}, "a": 1}, None),
    ],
)
def test_values_made_of_others(rule: Any, made: Any) -> None:
    assert element(rule, PID) == made


def test_a_digest_tells_values_apart_by_their_place() -> None:
    first = element({"$digest": ["PID-8", "PID-20"]}, PID)
    assert first == element({"$digest": ["PID-8", "PID-20"]}, PID)
    assert (
        len({first, element({"$digest": ["PID-8"]}, PID), element({"$digest": ["PID-5"]}, PID)})
        == 3
    )


def test_resources_below_are_spoken_of_from_where_they_stand() -> None:
    made = run(
        {
            "resources": {
                "person": {"type": "Patient", "each": "PID", "set": {"one": {"$of": "kin", "who": "->kin", "role": "NK1-3"}}},
                "kin": {"type": "RelatedPerson", "each": "NK1", "set": {"name": "NK1-2"}},
            }
        },
        PID,
        "NK1|1|Bob|SPO",
        "NK1|2|Eve|FND",
    ).resources[0].content["one"]  # fmt: skip
    assert made == [
        {"who": {"reference": "urn:hl7v2:kin.1"}, "role": "SPO"},
        {"who": {"reference": "urn:hl7v2:kin.2"}, "role": "FND"},
    ]


def test_the_moment_of_a_message_is_when_its_event_was_recorded() -> None:
    mapping = {"resources": {"it": {"type": "Patient", "set": {"x": 1}, "initially": {"y": 2}}}}
    told = run(mapping, PID)
    assert told.moment is not None
    assert told.moment.isoformat() == "2026-08-01T07:30:06+00:00"
    assert told.resources[0].initially == {"y": 2}
    earlier = run(mapping, "EVN||202607312200", PID).moment
    assert earlier is not None
    assert earlier.isoformat() == "2026-07-31T20:00:00+00:00"


@pytest.mark.parametrize(
    "rule",
    [
        {"$join": "PID-8", "x": 1},
        {"$join": "PID-8", "$as": "hex"},
        {"$digest": "PID-8"},
        {"$first": ["PID-8"], "$with": ","},
        {"$when": {"path": "PID-8", "matches": "("}, "a": 1},
    ],
)
def test_what_makes_no_value_stops_the_start(rule: Any) -> None:
    with pytest.raises(MappingError):
        element(rule, PID)
