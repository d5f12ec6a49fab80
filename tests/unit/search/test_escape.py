"""Separators and their escapes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.search.escape import split, unescape


@pytest.mark.parametrize(
    ("text", "separator", "parts"),
    [
        ("a", ",", ["a"]),
        ("a,b,", ",", ["a", "b", ""]),
        (r"a\,b,c", ",", [r"a\,b", "c"]),
        (r"a\\,b", ",", [r"a\\", "b"]),
        (r"a\|b|c", "|", [r"a\|b", "c"]),
        ("a\\", ",", ["a\\"]),
        ("\\,", ",", ["\\,"]),
    ],
)
def test_only_bare_separators_separate(text: str, separator: str, parts: list[str]) -> None:
    assert split(text, separator) == parts


@pytest.mark.parametrize(
    ("text", "plain"),
    [(r"a\,b", "a,b"), (r"\|\$\\", r"|$" + "\\"), (r"a\nb", r"a\nb"), ("a\\", "a\\"), ("", "")],
)
def test_escapes_are_resolved(text: str, plain: str) -> None:
    assert unescape(text) == plain


@given(st.lists(st.text(alphabet=",|$\\ab", max_size=8), min_size=1, max_size=5))
def test_what_was_escaped_comes_back(values: list[str]) -> None:
    def escaped(text: str) -> str:
        for letter in "\\,|$":
            text = text.replace(letter, "\\" + letter)
        return text

    joined = ",".join(map(escaped, values))
    assert [unescape(part) for part in split(joined, ",")] == values
