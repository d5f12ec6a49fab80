"""Which payloads a client may ask for, and what they look like."""

from decimal import Decimal

import pytest

from fhirserver.wire import fhir_json, fhir_xml
from subscriptions.core.payload import payload_fault, render

RESOURCE = {
    "resourceType": "Observation",
    "status": "final",
    "valueQuantity": {"value": Decimal("1.00")},
}


@pytest.mark.parametrize(
    "payload",
    [
        "application/fhir+json",
        "application/json",
        "Application/FHIR+JSON",
        "application/fhir+json; fhirVersion=4.0",
        "application/fhir+json;fhirVersion=4.0.1",
        'application/fhir+json; fhirVersion="4.0"; charset=utf-8',
        "application/fhir+xml",
        "application/xml; charset=UTF-8",
    ],
)
def test_supported(payload: str) -> None:
    assert payload_fault(payload) is None


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "text/plain",
        "application/fhir+turtle",
        "application/fhir+json\r\nX-A: b",
        "application/fhir+json; fhirVersion=5.0",
        "application/fhir+json; fhirVersion=4.3",
        "application/fhir+json; FHIRVERSION=3.0",
        "application/fhir+json; charset=iso-8859-1",
    ],
)
def test_unsupported(payload: str) -> None:
    assert payload_fault(payload) is not None


def test_written_in_both_forms_with_every_digit() -> None:
    as_json = render(RESOURCE, "application/fhir+json; fhirVersion=4.0")
    assert b'"value":1.00' in as_json
    assert fhir_json.read(as_json) == RESOURCE
    assert fhir_xml.read(render(RESOURCE, "application/fhir+xml")) == RESOURCE


def test_no_payload_is_no_body() -> None:
    assert render(RESOURCE, None) == b""
    assert render(None, "application/fhir+json") == b""
