"""The grammar of FHIRPath."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.fhirpath import UnsupportedError
from fhirserver.fhirpath.quantity import Quantity
from fhirserver.fhirpath.syntax import (
    MAX_LENGTH,
    Binary,
    Call,
    Expression,
    Index,
    Iteration,
    Literal,
    Member,
    This,
    TypeTest,
    Unary,
    Variable,
    parse,
)
from fhirserver.fhirpath.temporal import Temporal


def _path(*names: str) -> Expression:
    found: Expression = This()
    for name in names:
        found = Member(found, name)
    return found


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("Patient.name", _path("Patient", "name")),
        (
            "Bundle.entry[0].resource",
            Member(Index(_path("Bundle", "entry"), Literal(0)), "resource"),
        ),
        ("a as B | c", Binary("|", TypeTest("as", _path("a"), "B"), _path("c"))),
        ("(a as B).c", Member(TypeTest("as", _path("a"), "B"), "c")),
        ("a.as(B)", Call(_path("a"), "as", (_path("B"),))),
        ("a | b | c", Binary("|", Binary("|", _path("a"), _path("b")), _path("c"))),
        (
            "a.exists() and a != false",
            Binary(
                "and",
                Call(_path("a"), "exists", ()),
                Binary("!=", _path("a"), Literal(value=False)),
            ),
        ),
        (
            "x.where(system='phone')",
            Call(_path("x"), "where", (Binary("=", _path("system"), Literal("phone")),)),
        ),
        (
            "resolve() is FHIR.Patient",
            TypeTest("is", Call(This(), "resolve", ()), "Patient", "FHIR"),
        ),
        ("%resource.a", Member(Variable("resource"), "a")),
        ("$this", This()),
        ("'it\\'s \\n'", Literal("it's \n")),
        ("`div`", _path("div")),
        ("a or b and c", Binary("or", _path("a"), Binary("and", _path("b"), _path("c")))),
        ("a[b]", Index(_path("a"), _path("b"))),
        ("a + b * c", Binary("+", _path("a"), Binary("*", _path("b"), _path("c")))),
        ("-a.b", Unary("-", _path("a", "b"))),
        ("a | b = c", Binary("=", Binary("|", _path("a"), _path("b")), _path("c"))),
        (
            "a implies b or c",
            Binary("implies", _path("a"), Binary("or", _path("b"), _path("c"))),
        ),
        ("a in b and c", Binary("and", Binary("in", _path("a"), _path("b")), _path("c"))),
        ("a.contains(b)", Call(_path("a"), "contains", (_path("b"),))),
        ("a.as(b).is(c)", Call(Call(_path("a"), "as", (_path("b"),)), "is", (_path("c"),))),
        ("{}", Literal(None)),
        ("$index", Iteration("index")),
        ("%`vs-a b`", Variable("vs-a b")),
        ("1 // one\n + /* two */ 2", Binary("+", Literal(1), Literal(2))),
        ("'\\u0065\\/'", Literal("e/")),
        ("1.50", Literal(Decimal("1.50"))),
        ("4 days", Literal(Quantity(Decimal(4), "day", is_calendar=True))),
        ("4.5 'mg'", Literal(Quantity(Decimal("4.5"), "mg"))),
        ("@2015-02", Literal(Temporal("date", (2015, 2)))),
        ("@2015T", Literal(Temporal("dateTime", (2015,)))),
        ("@T14:34", Literal(Temporal("time", (14, 34)))),
        ("f(a, 1)", Call(This(), "f", (_path("a"), Literal(1)))),
    ],
)
def test_expressions_are_read(text: str, tree: Expression) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.",
        ".a",
        "a b",
        "a[",
        "(a",
        "a)",
        "a is",
        "a is 'x'",
        "a is Other.B",
        "f(a",
        "f(a b)",
        "'open",
        "a +",
        "+",
        "a ! b",
        "2 + 2 /* open",
        "@2015-13-01",
        "@2015-02-30",
        "@T25",
        "@T14:34:28Z.is(Time)",
        "2147483648",
        "a.$this",
        "a.and",
        "true.or(b)",
        "a is Other.B.C",
        "a" + ".b" * 200,
        "a" + " or a" * 200,
        "a; b",
        "a" * (MAX_LENGTH + 1),
        "(" * 100 + "a" + ")" * 100,
        "a." + "f(" * 100 + ")" * 100,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedError):
        parse(text)


@given(st.text(alphabet="ab.()|='[]0 %$,is", max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(UnsupportedError):
        assert parse(text) == parse(f" {text} ")
