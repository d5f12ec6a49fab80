"""What a mapping makes of a whole message: its resources, what finds them, what refers to what, what nobody read."""

import pytest

from adapters.hl7v2.mapping.errors import MappingRefuses
from adapters.hl7v2.mapping.mapped import Merge
from adapters.hl7v2.report import Report
from tests.unit.adapters.hl7v2.mapping_run import AUTHORITY, PID, run

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
