"""The entries of a transaction: how they are read, ordered, told apart and linked."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.interactions.bundle import (
    at_entry,
    entries_of,
    in_order,
    kind_of,
    read_entry,
    require_distinct,
)
from fhirserver.interactions.bundle_references import (
    conditional_references,
    resolved,
    rewritten,
    subject_of,
)
from fhirserver.kernel.errors import BadRequest, Unprocessable
from fhirserver.kernel.resource import Json

BASE = "http://test/fhir"


def entry(method: str, url: str, index: int = 0, **more: Any) -> Any:
    given: Json = {"request": {"method": method, "url": url}, **more}
    if method in ("PUT", "PATCH"):
        given["resource"] = {"resourceType": "Patient"}
    return read_entry(index, given, BASE)


@pytest.mark.parametrize("url", ["Patient/1?a=b", "/Patient/1?a=b", BASE + "/Patient/1?a=b"])
def test_urls_are_read_below_the_base(url: str) -> None:
    read = entry("GET", url)

    assert (read.path, read.query, read.pairs) == ("Patient/1", "a=b", [("a", "b")])


def test_the_order_of_the_specification() -> None:
    methods = ["GET", "PATCH", "PUT", "HEAD", "POST", "DELETE", "POST"]
    entries = [entry(method, f"Patient/{index}", index) for index, method in enumerate(methods)]

    assert [one.index for one in in_order(entries)] == [5, 4, 6, 1, 2, 0, 3]


@pytest.mark.parametrize(
    "given",
    [
        1,
        {},
        {"request": []},
        {"request": {"method": "BREW", "url": "Patient"}},
        {"request": {"method": "GET", "url": ""}},
        {"request": {"method": "GET", "url": 7}},
        {"request": {"method": "PUT", "url": "Patient/1"}},
        {"request": {"method": "GET", "url": "Patient"}, "resource": []},
        {"request": {"method": "GET", "url": "Patient"}, "fullUrl": 1},
        {"request": {"method": "GET", "url": "Patient", "ifMatch": 1}},
    ],
)
def test_what_is_no_entry_is_refused_with_its_place(given: Any) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_entry(3, given, BASE)
    assert refusal.value.problems[0].expression.startswith("Bundle.entry[3]")


def test_what_is_no_bundle_is_refused() -> None:
    for bundle in ({"resourceType": "Patient"}, {"resourceType": "Bundle", "type": "document"}):
        with pytest.raises(BadRequest):
            kind_of(bundle)
    with pytest.raises(BadRequest):
        entries_of({"entry": {}})
    with pytest.raises(BadRequest):
        _ = read_entry(
            0, {"request": {"method": "DELETE", "url": "a", "ifMatch": "x"}}, BASE
        ).if_match


def test_problems_are_located_in_their_entry() -> None:
    error = at_entry(Unprocessable("no", expression="Patient.name[0].use"), "Bundle.entry[2]")

    assert error.problems[0].expression == "Bundle.entry[2].resource.name[0].use"
    assert isinstance(error, Unprocessable)
    assert at_entry(error, "Bundle.entry[9]").problems == error.problems


def test_the_same_write_twice_is_refused() -> None:
    require_distinct([entry("PUT", "Patient/1"), entry("PUT", "Patient/2", 1)])
    for one, other in (
        (entry("PUT", "Patient/1"), entry("DELETE", "Patient/1", 1)),
        (entry("PUT", "Patient?a=1&b=2"), entry("PUT", "Patient?b=2&a=1", 1)),
        (entry("POST", "Patient", fullUrl="urn:uuid:1"),
         entry("POST", "Patient", 1, fullUrl="urn:uuid:1")),
    ):  # fmt: skip
        with pytest.raises(BadRequest):
            require_distinct([one, other])


LINKS = {
    "urn:uuid:1": "Patient/a",
    "http://other/fhir/Patient/7": "Patient/b",
    "Patient?x=1": "Patient/c",
}


def test_links_are_replaced_where_the_specification_says() -> None:
    resource: Json = {
        "resourceType": "Observation",
        "subject": {"reference": "urn:uuid:1", "display": "urn:uuid:1"},
        "performer": [{"reference": "Patient?x=1"}, {"reference": "Patient/7"}],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"}],
        "extension": [{"url": "http://x", "valueUri": "urn:uuid:1"}],
        "contained": [{"resourceType": "Group", "member": [{"entity": {"reference": "urn:uuid:1"}}]}],
        "note": [{"text": "urn:uuid:1"}],
        "text": {"div": '<div><a href="urn:uuid:1">x</a><img src=\'urn:uuid:9\'/> urn:uuid:1</div>'},
    }  # fmt: skip
    found = resolved(resource, LINKS, "http://other/fhir/Observation/1", "Bundle.entry[0]")

    assert found["subject"] == {"reference": "Patient/a", "display": "urn:uuid:1"}
    assert found["performer"] == [{"reference": "Patient/c"}, {"reference": "Patient/b"}]
    assert found["identifier"] is resource["identifier"]
    assert found["extension"][0]["valueUri"] == "Patient/a"
    assert found["contained"][0]["member"][0]["entity"]["reference"] == "Patient/a"
    assert found["note"] is resource["note"]
    assert 'href="Patient/a"' in found["text"]["div"]
    assert found["text"]["div"].endswith("urn:uuid:1</div>")
    assert resource["subject"]["reference"] == "urn:uuid:1"


def test_a_reference_to_no_entry_is_refused() -> None:
    with pytest.raises(BadRequest) as refusal:
        resolved({"subject": {"reference": "urn:uuid:9"}}, LINKS, "", "Bundle.entry[4]")
    assert refusal.value.problems[0].expression == "Bundle.entry[4].resource"


def test_conditional_references_are_found_anywhere() -> None:
    resource = {
        "a": [{"reference": "Patient?x=1"}],
        "b": {"reference": "Patient/1"},
        "c": "Patient?x=2",
    }

    assert list(conditional_references(resource)) == ["Patient?x=1"]


def test_whose_a_resource_is_shows_before_every_link_is_known() -> None:
    resource = {
        "resourceType": "Observation",
        "subject": {"reference": "urn:uuid:1"},
        "encounter": {"reference": "urn:uuid:unknown"},
    }

    assert subject_of(resource, LINKS, "") == {
        "resourceType": "Observation",
        "subject": {"reference": "Patient/a"},
    }


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["urn:uuid:1", "x", "Patient/1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["reference", "value", "a"]), inner, max_size=3)
    ),
)


@given(values)
def test_what_has_nothing_to_replace_is_shared(value: Any) -> None:
    assert rewritten(value, lambda _name, text: text) is value


@given(values)
def test_rewriting_replaces_every_text_and_changes_nothing_else(value: Any) -> None:
    def swap(_name: str, text: str) -> str:
        return {"urn:uuid:1": "x", "x": "urn:uuid:1"}.get(text, text)

    assert rewritten(rewritten(value, swap), swap) == value
