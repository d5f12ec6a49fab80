"""ORU^R01 of a laboratory: one DiagnosticReport for each OBR, one Observation for each OBX."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.adapters.hl7v2.maps.mapped_by_site import (
    AUTHORITY,
    PID,
    interpreted,
    mapped,
    resources,
)

OBR = "OBR|1|P-1^EHR|F-9^LAB|24323-8^CMP^LN|||20260801080000+0200|||||||||||||||20260801092000+0200||CH|F"
POTASSIUM = (
    "OBX|1|NM|2823-3^Potassium^LN||6.10|mmol/L^mmol/L^UCUM|3.5-5.1|HH|||F|||20260801081500+0200"
)


def value(kind: str, sent: str, units: str = "") -> Any:
    """Return value[x] and its like of a result."""
    made = resources("ORU^R01", PID, OBR, f"OBX|1|{kind}|1^Test^L||{sent}|{units}|||||F")
    (name,) = [one for one in made if one.startswith("observation")]
    return {
        key: one
        for key, one in made[name].items()
        if key.startswith("value") or key == "dataAbsentReason"
    }


def test_a_panel_becomes_a_report_with_its_results() -> None:
    made = resources("ORU^R01", PID, OBR, "NTE|1||Fasting", POTASSIUM, "NTE|1||Repeated")
    report, result = made["report"], made["observation"]
    assert report["identifier"][1:] == [
        {
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PLAC"}]},
            "system": AUTHORITY + "EHR",
            "value": "P-1",
        },
        {
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "FILL"}]},
            "system": AUTHORITY + "LAB",
            "value": "F-9",
        },
    ]  # fmt: skip
    assert {key: report[key] for key in ("status", "effectiveDateTime", "issued", "conclusion")} == {
        "status": "final",
        "effectiveDateTime": "2026-08-01T08:00:00+02:00",
        "issued": "2026-08-01T09:20:00+02:00",
        "conclusion": "Fasting",
    }  # fmt: skip
    assert report["code"]["coding"] == [
        {"system": "http://loinc.org", "code": "24323-8", "display": "CMP"}
    ]
    assert report["result"] == [{"reference": "urn:hl7v2:observation"}]
    assert report["subject"] == result["subject"] == {"reference": "urn:hl7v2:subject"}
    assert {
        key: result[key]
        for key in ("status", "effectiveDateTime", "note", "valueQuantity", "referenceRange")
    } == {
        "status": "final",
        "effectiveDateTime": "2026-08-01T08:15:00+02:00",
        "note": [{"text": "Repeated"}],
        "valueQuantity": {
            "value": Decimal("6.10"),
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
        "referenceRange": [
            {
                "low": {"value": Decimal("3.5"), "unit": "mmol/L"},
                "high": {"value": Decimal("5.1"), "unit": "mmol/L"},
                "text": "3.5-5.1",
            }
        ],
    }
    assert result["interpretation"][0]["coding"][0]["code"] == "HH"
    assert result["category"][0]["coding"][0]["code"] == "laboratory"


@pytest.mark.parametrize(
    ("kind", "sent", "units", "made"),
    [
        ("NM", "5", "mg", {"valueQuantity": {"value": Decimal(5), "unit": "mg"}}),
        ("NM", "<0.50", "", {"valueQuantity": {"comparator": "<", "value": Decimal("0.50")}}),
        ("NM", "hemolyzed", "", {"valueString": "hemolyzed"}),
        ("SN", ">=^100", "", {"valueQuantity": {"comparator": ">=", "value": Decimal(100)}}),
        ("SN", "^3", "", {"valueQuantity": {"value": Decimal(3)}}),
        (
            "SN",
            "^0^-^1",
            "",
            {"valueRange": {"low": {"value": Decimal(0)}, "high": {"value": Decimal(1)}}},
        ),
        (
            "SN",
            "^1^:^128",
            "",
            {
                "valueRatio": {
                    "numerator": {"value": Decimal(1)},
                    "denominator": {"value": Decimal(128)},
                }
            },
        ),
        ("ST", "clear", "", {"valueString": "clear"}),
        ("TX", "one~two", "", {"valueString": "one\ntwo"}),
        (
            "CWE",
            "260373001^Detected^SCT",
            "",
            {
                "valueCodeableConcept": {
                    "coding": [
                        {
                            "system": "http://snomed.info/sct",
                            "code": "260373001",
                            "display": "Detected",
                        }
                    ],
                    "text": "Detected",
                }
            },
        ),
        ("DT", "202608", "", {"valueDateTime": "2026-08"}),
        ("TM", "0815", "", {"valueTime": "08:15:00"}),
    ],
)
def test_a_value_keeps_its_type_and_its_digits(
    kind: str, sent: str, units: str, made: dict[str, Any]
) -> None:
    assert value(kind, sent, units) == made


@pytest.mark.parametrize(
    ("kind", "sent", "why"),
    [
        ("NM", "", "unknown"),
        ("NM", '""', "unknown"),
        ("ED", "^AP^PDF^Base64^QQ==", "unsupported"),
    ],
)
def test_a_result_without_a_value_says_so(kind: str, sent: str, why: str) -> None:
    found = value(kind, sent)
    assert found["dataAbsentReason"]["coding"][0]["code"] == why
    assert len(found) == 1


@settings(deadline=None, max_examples=50)
@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-9999, max_value=9999)
)
def test_every_number_arrives_as_it_was_sent(number: Decimal) -> None:
    assert str(value("NM", f"{number:f}")["valueQuantity"]["value"]) == f"{number:f}"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("F", "final"),
        ("P", "preliminary"),
        ("C", "corrected"),
        ("X", "cancelled"),
        ("D", "entered-in-error"),
        ("W", "entered-in-error"),
        ("", "unknown"),
    ],
)
def test_the_state_of_a_result(sent: str, status: str) -> None:
    made = resources("ORU^R01", PID, OBR, POTASSIUM.replace("|||F|", f"|||{sent}|"))
    assert made["observation"]["status"] == status


def test_results_are_known_by_number_code_and_sub_id_not_by_their_place() -> None:
    sodium = "OBX|2|NM|2951-2^Sodium^LN||140|||||||F"

    def names(*segments: str) -> dict[str, tuple[str, ...]]:
        found = mapped("ORU^R01", PID, OBR, *segments).resources
        return {
            one.content["code"]["coding"][0]["code"]: one.match
            for one in found
            if one.type == "Observation"
        }

    moved = names(sodium.replace("|2|", "|1|"), POTASSIUM.replace("|1|", "|2|"))
    assert names(POTASSIUM, sodium) == moved
    assert len(set(moved.values())) == 2
    assert names(POTASSIUM.replace("LN||", "LN|2|")) != names(POTASSIUM)


def test_two_panels_of_one_accession_are_two_reports_each_with_its_own_results() -> None:
    other = OBR.replace("OBR|1", "OBR|2").replace("24323-8^CMP", "58410-2^CBC")
    specimen = "SPM|1|^S-1&LAB||SER^Serum^HL70487|||||||||||||20260801080000+0200"
    made = resources("ORU^R01", PID, OBR, POTASSIUM, specimen, other, POTASSIUM)
    first, second = made["report.1"], made["report.2"]
    assert first["identifier"][0] != second["identifier"][0]
    assert first["result"] == [{"reference": "urn:hl7v2:observation.1"}]
    assert second["result"] == [{"reference": "urn:hl7v2:observation.2"}]
    assert first["specimen"] == [{"reference": "urn:hl7v2:specimen"}]
    assert "specimen" not in second
    assert made["specimen"]["identifier"] == [{"system": AUTHORITY + "LAB", "value": "S-1"}]


@pytest.mark.parametrize(
    ("kind", "sent", "form"),
    [
        ("ED", "^AP^PDF^Base64^JVBERg==", {"contentType": "application/pdf", "data": "JVBERg=="}),
        ("ED", "^TEXT^PLAIN^A^Well", {"contentType": "text/plain", "data": "V2VsbA=="}),
        ("RP", "https://pacs/1^PACS^AP^PDF", {"contentType": "application/pdf", "url": "https://pacs/1"}),
    ],
)  # fmt: skip
def test_a_document_among_the_results_is_a_form_of_the_report(
    kind: str, sent: str, form: dict[str, Any]
) -> None:
    document = f"OBX|2|{kind}|11502-2^Laboratory report^LN||{sent}||||||F"
    made = resources("ORU^R01", PID, OBR, POTASSIUM, document)
    assert made["report"]["presentedForm"] == [{**form, "title": "Laboratory report"}]
    assert "presentedForm" not in resources("ORU^R01", PID, OBR, POTASSIUM)["report"]
    assert "dataAbsentReason" in made["observation.2"]


def test_a_pointer_to_a_place_nobody_can_open_is_not_taken_over() -> None:
    pointer = "OBX|2|RP|11502-2^Laboratory report^LN||C:/reports/1.pdf^PACS^AP^PDF||||||F"
    made = resources("ORU^R01", PID, OBR, POTASSIUM, pointer)
    assert "presentedForm" not in made["report"]
    assert made["observation.2"]["dataAbsentReason"]["coding"][0]["code"] == "unsupported"


def test_what_no_rule_reads_is_reported() -> None:
    found = interpreted("ORU^R01", PID, OBR, POTASSIUM, "ZLB|1|local")
    assert "ZLB" in found.report.unread


def test_a_site_gives_its_own_codes_a_meaning() -> None:
    site = b"tables: {code-system: {codes: {LOCAL: 'urn:oid:1.2.3'}}}"
    local = POTASSIUM.replace("2823-3^Potassium^LN", "K^Potassium^LOCAL")
    made = resources("ORU^R01", PID, OBR, local, site=site)
    assert made["observation"]["code"]["coding"][0]["system"] == "urn:oid:1.2.3"
