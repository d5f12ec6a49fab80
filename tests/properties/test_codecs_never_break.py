"""Whatever comes in, a codec reads it, writes it, or says why not; nothing else escapes it."""

import contextlib
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.kernel.errors import Malformed
from fhirserver.wire import fhir_json, fhir_xml
from fhirserver.wire.summary import shaped
from tests.oracles.instances import instance, walk

TYPES = ("Patient", "Observation", "Bundle", "Questionnaire", "StructureDefinition", "Timing")
PIECES = st.sampled_from(
    [b"<", b">", b"/>", b"</", b"Patient", b' xmlns="http://hl7.org/fhir"', b"<id", b' value="1"',
     b"<name>", b"</name>", b"<extension url='u'>", b"<div", b' xmlns="http://www.w3.org/1999/xhtml"',
     b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x", b"?>", b"&amp;", b"&#x0;", b"&#55296;", b"&x;",
     b"<!DOCTYPE", b"<contained>", b"<Basic/>", b"\x00", b"\xff", b"xml:lang='x'", b"a:b='c'"]
)  # fmt: skip
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=4),
    st.just({}),
    st.just([]),
    st.just([None]),
    st.just({"resourceType": "Patient"}),
    st.just({"extension": [1]}),
    st.just("<div xmlns='http://www.w3.org/1999/xhtml'>&x;"),
    st.just("\ud800"),
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=14).map(b"".join)))
def test_bytes_are_xml_or_refused(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        value = fhir_xml.read(data)
        assert fhir_json.read(fhir_json.write(value)) == value


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_bytes_are_json_or_refused(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        fhir_json.write(fhir_json.read(data))


def mutated(type_: str, number: int, odd: Any) -> dict[str, Any]:
    """A made resource with one value replaced by an odd one."""
    made = instance(type_, number, 0.3)
    places = [path for path, _ in walk(made) if path]
    path = Random(number).choice(places)
    target: Any = made
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = odd
    return made


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TYPES[:-1]), st.integers(0, 10_000), ODD)
def test_any_json_is_written_as_xml_or_refused(type_: str, number: int, odd: Any) -> None:
    with contextlib.suppress(fhir_xml.Unprintable):
        fhir_xml.read(fhir_xml.write(mutated(type_, number, odd)))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(TYPES[:-1]),
    st.integers(0, 10_000),
    ODD,
    st.sampled_from(["true", "text", "data", None]),
)
def test_any_json_has_a_summary(type_: str, number: int, odd: Any, summary: str | None) -> None:
    elements = () if summary else ("name", "Patient.gender")
    shaped(mutated(type_, number, odd), summary, elements)


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_object_is_not_written_as_xml(value: Any) -> None:
    with pytest.raises(fhir_xml.Unprintable):
        fhir_xml.write(
            {"resourceType": "Parameters", "parameter": [{"name": "x", "resource": value or 1}]}
        )
