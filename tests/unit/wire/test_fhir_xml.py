"""https://hl7.org/fhir/R4/xml.html: the same resource in both forms, and nothing else is read."""

from decimal import Decimal
from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.errors import Malformed, NotAcceptable
from fhirserver.wire.fhir_xml import MalformedXml, Unprintable, read, write
from tests.oracles.instances import instance

DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p class="a">x &lt; y<br/>ä</p></div>'
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "ann",
    "meta": {"versionId": "3", "tag": [{"system": "urn:t", "code": "a"}]},
    "text": {"status": "generated", "div": DIV},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Home & Co"}],
    "extension": [
        {"url": "http://example.org/e", "valueDecimal": Decimal("1.00")},
        {"url": "http://example.org/f", "id": "x1", "extension": [{"url": "g", "valueInteger": 7}]},
    ],
    "active": True,
    "name": [
        {
            "id": "n1",
            "family": 'O"Neil\n<&>',
            "given": ["Ann", None, "C"],
            "_given": [None, {"extension": [{"url": "urn:u", "valueCode": "masked"}]}, {"id": "g"}],
        }
    ],
    "birthDate": "1961-04-02",
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1961-04-02T03:04:05Z"}]},
    "_gender": {"extension": [{"url": "urn:absent", "valueCode": "unknown"}]},
    "multipleBirthInteger": 2,
    "photo": [{"contentType": "image/png", "data": "AAAA", "size": 3}],
}


def body(inside: str, type_: str = "Patient") -> bytes:
    return f'<{type_} xmlns="http://hl7.org/fhir">{inside}</{type_}>'.encode()


@pytest.mark.parametrize("pretty", [False, True])
def test_a_resource_reads_back_the_same(pretty: bool) -> None:
    again = read(write(PATIENT, pretty=pretty))

    assert again == PATIENT
    assert again["extension"][0]["valueDecimal"].as_tuple() == Decimal("1.00").as_tuple()
    assert type(again["multipleBirthInteger"]) is int


@pytest.mark.parametrize("type_", load().resource_types)
def test_every_type_reads_back_the_same(type_: str) -> None:
    for number in range(2):
        made = instance(type_, number, 0.3)
        assert read(write(made)) == made
        assert read(write(made, pretty=True)) == made


def test_elements_stand_in_the_order_of_the_definitions() -> None:
    shuffled = dict(reversed(PATIENT.items()))

    assert write(shuffled) == write(PATIENT)
    assert (
        write({"gender": "female", "id": "a", "resourceType": "Patient", "active": False})
        == b'<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir">'
        b'<id value="a"/><active value="false"/><gender value="female"/></Patient>'
    )


def test_bundles_hold_resources_of_any_type() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": PATIENT},
            {"resource": {"resourceType": "Parameters", "parameter": [{"name": "p", "resource":
             {"resourceType": "Basic", "id": "b"}}]}},
        ],
    }  # fmt: skip

    assert read(write(bundle)) == bundle


def test_an_element_may_be_called_resource_type() -> None:
    scenario = {
        "resourceType": "ExampleScenario",
        "status": "draft",
        "instance": [{"resourceId": "a", "resourceType": "Patient"}],
    }

    assert read(write(scenario)) == scenario


@pytest.mark.parametrize("digits", ["1.00", "1.0E+5", "0.10", "-0.0", "120.0", "1E-7"])
def test_a_decimal_keeps_its_digits(digits: str) -> None:
    inside = f'<status value="final"/><valueQuantity><value value="{digits}"/></valueQuantity>'
    value = read(body(inside, "Observation"))["valueQuantity"]["value"]

    assert value.as_tuple() == Decimal(digits).as_tuple()
    made = {"resourceType": "Observation", "valueQuantity": {"value": value}}
    assert f'value="{value}"'.encode() in write(made)


@pytest.mark.parametrize(
    ("inside", "name", "value"),
    [
        ('<active value="yes"/>', "active", "yes"),
        ('<multipleBirthInteger value="07"/>', "multipleBirthInteger", "07"),
        ('<multipleBirthInteger value="1.5"/>', "multipleBirthInteger", "1.5"),
        ('<birthDate value=""/>', "birthDate", ""),
    ],
)
def test_what_does_not_fit_its_type_is_left_to_validation(
    inside: str, name: str, value: str
) -> None:
    assert read(body(inside))[name] == value


def test_a_prefix_makes_no_difference() -> None:
    data = (
        b'<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml">'
        b'<f:text><f:status value="generated"/><h:div><h:b>x</h:b>y</h:div></f:text></f:Patient>'
    )

    assert read(data)["text"]["div"] == (
        '<div xmlns="http://www.w3.org/1999/xhtml"><b>x</b>y</div>'
    )


def test_comments_processing_instructions_and_a_byte_order_mark_say_nothing() -> None:
    data = b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><!-- a --><?p q?>' + body(
        '<!-- b --><active value="true"/><?p q?>'
    )

    assert read(data) == {"resourceType": "Patient", "active": True}


LAUGHS = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>' + body('<id value="&b;"/>')


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (LAUGHS, "DTD"),
        (b'<!DOCTYPE Patient SYSTEM "file:///etc/passwd">' + body(""), "DTD"),
        (body('<id value="&x;"/>'), "well-formed"),
        (body("&x;"), "well-formed|entity"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?>' + body(""), "UTF-8"),
        (body("").decode().encode("utf-16"), "UTF-8|well-formed"),
        (body('<id value="\xff"/>').replace(b"\xc3\xbf", b"\xff"), "well-formed"),
        (b"", "empty"),
        (b"  ", "empty"),
        (b"{}", "well-formed"),
        (b"<Patient/>", "namespace"),
        (body("", "Nothing"), "no R4 resource"),
        (body("", "DomainResource"), "no R4 resource"),
        (body('<nonsense value="1"/>'), "no element <nonsense>"),
        (body('<active value="true"/><active value="true"/>'), "twice"),
        (body('<_active value="true"/>'), "no element"),
        (body('<active value="true" more="1"/>'), "no attribute"),
        (body("<active/>"), "neither"),
        (body("text"), "no text"),
        (body('<active value="true">text</active>'), "no text"),
        (body("<contained/>"), "one resource"),
        (body("<contained><Basic/><Basic/></contained>"), "one resource"),
        (body("<text><div>x</div></text>"), "XHTML"),
        (body('<name url="x"/>'), "no attribute"),
        (body('<extension><x:url xmlns:x="urn:x"/></extension>'), "namespace"),
        (body("<name>" * 300), "well-formed"),
        (body("<contact>" * 300 + "</contact>" * 300), "well-formed|no element"),
        (body("<extension>" * 100 + "</extension>" * 100), "nested deeper"),
        (body("<extension>" * 250 + "</extension>" * 250), "nested deeper|well-formed"),
    ],
)  # fmt: skip
def test_refused(data: bytes, told: str) -> None:
    with pytest.raises(MalformedXml, match=told) as caught:
        read(data)
    assert isinstance(caught.value, Malformed)


@pytest.mark.parametrize(
    "odd",
    [
        {"resourceType": "Nothing"},
        {"resourceType": "Patient", "nonsense": 1},
        {"resourceType": "Patient", "id": "\x01"},
        {"resourceType": "Patient", "name": ["text"]},
        {"resourceType": "Patient", "active": {}},
        {"resourceType": "Patient", "_active": "x"},
        {"resourceType": "Patient", "text": {"status": "generated", "div": "no <xml"}},
        {"resourceType": "Patient", "text": {"status": "generated", "div": "<p/>"}},
        {"resourceType": "Patient", "text": {"status": "generated", "div": 5}},
        {"resourceType": "Patient", "contained": ["x"]},
    ],
)
def test_what_has_no_form_in_xml_is_not_written(odd: dict[str, Any]) -> None:
    with pytest.raises(Unprintable) as caught:
        write(odd)
    assert isinstance(caught.value, NotAcceptable)


def test_names_that_only_html_knows_become_numbers() -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml">a&nbsp;&amp;&eacute;</div>'
    made = {"resourceType": "Patient", "text": {"status": "generated", "div": div}}

    again = read(write(made))["text"]["div"]

    assert again == '<div xmlns="http://www.w3.org/1999/xhtml">a\xa0&amp;é</div>'
