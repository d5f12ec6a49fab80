"""The grammar of the FHIRPath subset."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.fhirpath import UnsupportedError
from fhirserver.fhirpath.syntax import (
    MAX_LENGTH,
    Binary,
    Call,
    Expression,
    Index,
    Literal,
    Member,
    This,
    TypeTest,
    Variable,
    parse,
)


def _path(*names: str) -> Expression:
    found: Expression = This()
    for name in names:
        found = Member(found, name)
    return found


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("Patient.name", _path("Patient", "name")),
        ("Bundle.entry[0].resource", Member(Index(_path("Bundle", "entry"), 0), "resource")),
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
        ("resolve() is FHIR.Patient", TypeTest("is", Call(This(), "resolve", ()), "Patient")),
        ("%resource.a", Member(Variable("resource"), "a")),
        ("$this", This()),
        ("'it\\'s \\n'", Literal("it's \n")),
        ("`div`", _path("div")),
        ("a or b and c", Binary("or", _path("a"), Binary("and", _path("b"), _path("c")))),
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
        "a[b]",
        "a[1.5]",
        "(a",
        "a)",
        "a is",
        "a is 'x'",
        "a is Other.B",
        "f(a",
        "f(a b)",
        "'open",
        "a + b",
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
