"""The words of a resource."""

from fhirserver.search.full_text import MAX_WORDS, has_words, indexed_words, words


def test_words_are_folded_and_are_no_numbers() -> None:
    assert words("Über-Druck 120/80, 2nd cuff a") == ("uber", "druck", "cuff")


def test_the_narrative_is_read_without_its_tags() -> None:
    flag = {
        "resourceType": "Flag",
        "text": {"div": "<div class='hidden'>High<br/>risk &amp; <b>fall</b><"},
        "code": {"text": "other"},
    }
    assert has_words(flag, "_text", ("high", "risk"))
    assert has_words(flag, "_text", ("fall",))
    assert not has_words(flag, "_text", ("hidden",))
    assert not has_words(flag, "_text", ("other",))
    assert has_words(flag, "_content", ("other",))


def test_what_only_machines_read_has_no_words() -> None:
    flag = {
        "resourceType": "Flag",
        "id": "ident",
        "code": {"coding": [{"system": "urn:system", "code": "code", "display": "Fall"}]},
        "subject": {"reference": "Patient/ann", "display": "Ann"},
    }
    assert indexed_words(flag, ()) == ("_content", frozenset({"fall", "ann"}))
    assert indexed_words(flag, ("Ann Bell",)) == ("_content", frozenset({"fall"}))


def test_too_many_words_make_a_candidate_for_everything() -> None:
    note = " ".join(f"w{number}" for number in range(MAX_WORDS + 50))
    of, found = indexed_words({"resourceType": "Flag", "note": note}, ())
    assert of == "_content"
    assert len(found) == MAX_WORDS + 1
    assert "" in found


def test_device_readings_have_no_words_but_those_of_a_narrative() -> None:
    reading = {"resourceType": "Observation", "code": {"text": "pulse"}}
    assert indexed_words(reading, ()) == ("_text", frozenset())
    told = {**reading, "text": {"div": "<div>calm</div>"}}
    assert indexed_words(told, ()) == ("_text", frozenset({"calm"}))
