"""How texts are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.search.normalize import normalize


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ann", "ann"),
        ("  Ann \t Marie\n", "ann marie"),
        ("Müller", "muller"),
        ("Mu\u0308ller", "muller"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("Ångström", "angstrom"),
        ("İstanbul", "istanbul"),
        ("ΑΣ", "ας".casefold()),
        ("ﬁn", "fin"),
        ("\uff21\uff4e\uff4e", "ann"),
        ("名前", "名前"),
        ("\u0301", ""),
        (" ", ""),
    ],
)
def test_case_marks_and_white_space_do_not_count(text: str, folded: str) -> None:
    assert normalize(text) == folded


@given(st.text())
def test_a_normalized_text_stays_as_it_is(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_quick_way_for_ascii_is_the_same(text: str) -> None:
    # A letter that is not ASCII takes the long way for the whole text.
    assert normalize(text + "ж") == " ".join((text.lower() + "ж").split())
