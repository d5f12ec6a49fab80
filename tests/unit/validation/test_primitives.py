"""https://hl7.org/fhir/R4/datatypes.html#primitive, type by type"""

from decimal import Decimal

import pytest

from fhirserver.definitions import load
from fhirserver.validation.primitives import MAX_STRING, primitive_check

GOOD: dict[str, list[object]] = {
    "base64Binary": ["AAAA", "aGVsbG8=", "YQ==", "aGVs\nbG8=", " AAAA "],
    "boolean": [True, False],
    "canonical": ["http://example.org/a|1.0#x", "#local"],
    "code": ["final", "a b", "mm[Hg]", "ä"],
    "date": ["2026", "2026-02", "2024-02-29", "2000-02-29", "0001-01-01"],
    "dateTime": [
        *("2026", "2026-11", "2026-11-21", "2026-11-21T10:00:00Z"),
        *("2026-11-21T10:00:00.123456+14:00", "2016-12-31T23:59:60Z"),
    ],
    "decimal": [Decimal("1.00"), Decimal("-1E+5"), 0, -3],
    "id": ["a", "A-1.b", "x" * 64],
    "instant": ["2026-11-21T10:00:00Z", "2026-11-21T10:00:00.5-05:00"],
    "integer": [0, -(2**31), 2**31 - 1],
    "markdown": ["# a\n\tb\r\n"],
    "oid": ["urn:oid:1.2.840.113619", "urn:oid:2.999"],
    "positiveInt": [1, 2**31 - 1],
    "string": ["a", " a ", "a\tb\nc", "世界", "x" * MAX_STRING],
    "time": ["00:00:00", "23:59:59.999"],
    "unsignedInt": [0, 5],
    "uri": ["http://example.org", "urn:oid:1.2", "Patient/1", "ä"],
    "url": ["https://example.org/a?b=c"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
    "xhtml": [
        '<div xmlns="http://www.w3.org/1999/xhtml">a &amp; b <br/></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><!-- note --><img src="a.png" alt=""/></div>',
        '<h:div xmlns:h="http://www.w3.org/1999/xhtml" xml:lang="de">a</h:div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><a href="#b">a</a>&#160;</div>',
    ],
}

BAD: dict[str, list[object]] = {
    "base64Binary": ["", " ", "AAA", "AA=A", "====", "A$AA", 1],
    "boolean": ["true", 1, 0, None, []],
    "canonical": ["", "a b", 5],
    "code": ["", " a", "a ", "a  b", "a\nb ", "a\x01", 1],
    "date": [
        *("", "26", "2026-13", "2026-00", "2026-02-29", "2100-02-29", "2026-04-31"),
        *(
            "0000",
            "2026-1-1",
            "2026-01-01T00:00:00Z",
            "2026-01-32",
            2026,
            "\uff12\uff10\uff12\uff16",
        ),
    ],
    "dateTime": [
        *("", "2026-11-21T10:00", "2026-11-21T10:00:00", "2026-11-21T24:00:00Z"),
        *("2026-11-21 10:00:00Z", "2026-11-21T10:60:00Z", "2026-02-30T10:00:00Z"),
        *("2026-11-21T10:00:00+15:00", "2026-11-21T10:00:00z", 1),
    ],
    "decimal": ["1.0", True, 1.5, None, Decimal("NaN"), Decimal("Infinity")],
    "id": ["", "a b", "a_b", "x" * 65, "ä", "a\n", 1],
    "instant": ["2026", "2026-11-21", "2026-11-21T10:00:00", "2026-02-30T10:00:00Z"],
    "integer": [-(2**31) - 1, 2**31, Decimal(1), Decimal("1.0"), "1", True],
    "markdown": ["", "a\x00", None],
    "oid": ["1.2.3", "urn:oid:3.1", "urn:oid:1.02", "urn:oid:1"],
    "positiveInt": [0, -1, 2**31, True],
    "string": ["", "a\x00b", "a\x1f", "x" * (MAX_STRING + 1), 1, ["a"]],
    "time": ["24:00:00", "10:00", "10:00:00Z", 10],
    "unsignedInt": [-1, 2**31, "0"],
    "uri": ["", "a b", " a", "a\n", "a\u00a0b", "a\x01", {}],
    "url": ["", "https://example.org/a b"],
    "uuid": [
        "c757873d-ec9a-4326-a141-556f43239520",
        "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
    ],
    "xhtml": [
        "",
        "text",
        "<div>no namespace</div>",
        '<p xmlns="http://www.w3.org/1999/xhtml">not a div</p>',
        '<div xmlns="http://www.w3.org/1999/xhtml"> </div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><p>open</div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><svg xmlns="http://www.w3.org/2000/svg"/>a</div>',
        '<div xmlns="http://www.w3.org/1999/xhtml" onclick="x()">a</div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><a href=" JavaScript:x">a</a></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml">a&nbsp;b</div>',
        '<!DOCTYPE div [<!ENTITY a "b">]><div xmlns="http://www.w3.org/1999/xhtml">&a;</div>',
        '<?xml version="1.0"?><div xmlns="http://www.w3.org/1999/xhtml">a</div>',
        7,
    ],
}


def _cases(table: dict[str, list[object]]) -> list[tuple[str, object]]:
    return [(name, value) for name, values in table.items() for value in values]


def test_every_primitive_type_is_covered() -> None:
    kinds = {
        name for name in load().structure_names if load().structure(name).kind == "primitive-type"
    }
    assert kinds == set(GOOD) == set(BAD)


@pytest.mark.parametrize(("name", "value"), _cases(GOOD), ids=lambda one: repr(one)[:40])
def test_allowed(name: str, value: object) -> None:
    assert primitive_check(name)(value, {}) is None


@pytest.mark.parametrize(("name", "value"), _cases(BAD), ids=lambda one: repr(one)[:40])
def test_refused(name: str, value: object) -> None:
    found = primitive_check(name)(value, {})
    assert found is not None
    assert len(found) == 1
    assert found[0].path == ""


@pytest.mark.parametrize("name", sorted(BAD))
@pytest.mark.parametrize("unit", [" ", "a", "a b", "=", "; a=", "/a", "0", "1.", "<"])
def test_no_text_makes_checking_slow(name: str, unit: str) -> None:
    """A check that backtracks would take hours here."""
    primitive_check(name)(unit * 200_000 + "$", {})


def test_a_name_that_is_no_primitive() -> None:
    with pytest.raises(KeyError):
        primitive_check("Quantity")
