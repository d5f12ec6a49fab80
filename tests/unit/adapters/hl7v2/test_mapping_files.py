"""Mappings as files: what is wrong with one stops the start, and a site's lie over what is shipped."""

from typing import Any

import pytest
import yaml

from adapters.hl7v2.mapping import source
from adapters.hl7v2.mapping.errors import MappingError
from adapters.hl7v2.mapping.plan import Plans
from adapters.hl7v2.report import Report
from fhirserver.wire.hl7v2.message import read
from tests.unit.adapters.hl7v2.mapping_run import HEADER, SENDER, run


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
