"""What rules make of fields: paths, conversions, data types, tables, conditions, values made of others."""

from typing import Any

import pytest

from adapters.hl7v2.mapping.errors import MappingError, MappingRefuses
from adapters.hl7v2.report import Report
from tests.unit.adapters.hl7v2.mapping_run import AUTHORITY, PID, element


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
