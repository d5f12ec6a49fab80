"""Bundles of answers, and what a search's links and entries say."""

from datetime import UTC, datetime

from fhirserver.kernel.errors import NotFound, Problem
from fhirserver.kernel.resource import Page, Stored
from fhirserver.kernel.search_page import SearchPage
from fhirserver.rest import bundles, replies
from fhirserver.search.asked import Query, Shape
from fhirserver.wire import fhir_json

BASE = "http://test/fhir"
MOMENT = datetime(2026, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC)
CONTENT = b'{"resourceType":"Patient","id":"ann","text":{"status":"empty"},"gender":"female"}'
ANN = Stored("Patient", "ann", 3, MOMENT, False, CONTENT)
BOB = Stored("Practitioner", "bob", 1, MOMENT, False, b'{"resourceType":"Practitioner","id":"bob"}')
PAIRS = (("name", "a,b|c"), ("date", "ge2026-01-01T00:00:00+01:00"), ("_cursor", "x"))


def searched(page: SearchPage, query: Query, path: str = "Patient") -> dict[str, object]:
    return fhir_json.read(bundles.searchset(page, BASE, path, query).body)


def test_matches_includes_and_warnings_are_told_apart() -> None:
    warning = Problem("warning", "not-supported", "", "The parameter 'x' was ignored.")
    page = SearchPage((ANN,), (BOB,), 41, None, (warning,))

    bundle = fhir_json.read(bundles.searchset(page, BASE, "Patient", Query(())).body)

    assert bundle["total"] == 41
    assert [entry["search"]["mode"] for entry in bundle["entry"]] == ["match", "include", "outcome"]
    assert [entry.get("fullUrl") for entry in bundle["entry"]] == [
        f"{BASE}/Patient/ann",
        f"{BASE}/Practitioner/bob",
        None,
    ]
    assert bundle["entry"][2]["resource"]["issue"][0]["severity"] == "warning"


def test_stored_bytes_are_spliced_in_as_they_are() -> None:
    assert CONTENT in bundles.searchset(SearchPage((ANN,)), BASE, "Patient", Query(())).body


def test_links_name_what_was_applied_and_escape_what_must_be() -> None:
    page = SearchPage((ANN,), cursor="next+1")

    bundle = fhir_json.read(bundles.searchset(page, BASE, "Patient", Query((), applied=PAIRS)).body)

    links = {link["relation"]: link["url"] for link in bundle["link"]}
    asked = f"{BASE}/Patient?name=a,b|c&date=ge2026-01-01T00:00:00%2B01:00"
    assert links == {
        "self": f"{asked}&_cursor=x",
        "first": asked,
        "next": f"{asked}&_cursor=next%2B1",
    }


def test_a_count_alone_has_no_entry() -> None:
    assert "entry" not in searched(SearchPage((), total=7), Query(()))
    assert searched(SearchPage((), total=7), Query(()))["total"] == 7


def test_the_shape_is_applied_to_every_entry() -> None:
    for shape in (Shape("data"), Shape(elements=("gender",))):
        bundle = fhir_json.read(
            bundles.searchset(SearchPage((ANN,), (BOB,)), BASE, "", Query((), shape=shape)).body
        )
        first, second = bundle["entry"]
        assert "text" not in first["resource"]
        assert first["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
        assert "meta" not in second["resource"]


def test_a_search_of_everything_links_to_the_base() -> None:
    page = SearchPage(())
    bundle = fhir_json.read(bundles.searchset(page, BASE, "", Query(())).body)

    assert bundle["link"] == [{"relation": "self", "url": BASE}]


def test_history_of_several_types_names_each() -> None:
    gone = Stored("Patient", "ann", 4, MOMENT, True, b"")

    bundle = fhir_json.read(
        bundles.history_bundle(Page((gone, ANN, BOB), None), BASE, "_history", []).body
    )

    assert [entry["fullUrl"] for entry in bundle["entry"]] == [
        f"{BASE}/Patient/ann",
        f"{BASE}/Patient/ann",
        f"{BASE}/Practitioner/bob",
    ]
    assert [entry["request"]["method"] for entry in bundle["entry"]] == ["DELETE", "PUT", "PUT"]


def test_each_answer_of_a_batch_is_an_entry() -> None:
    made = replies.written(ANN, created=True, base=BASE, wish="representation")
    told = replies.written(ANN, created=False, base=BASE, wish="OperationOutcome")
    silent = replies.written(ANN, created=False, base=BASE, wish="minimal")
    refused = replies.refusal(NotFound("Patient/joe is not known."))
    gone = replies.deleted(None, "minimal")

    bundle = fhir_json.read(
        bundles.responses("batch-response", [made, told, silent, refused, gone]).body
    )

    first, second, third, fourth, fifth = bundle["entry"]
    assert bundle["type"] == "batch-response"
    assert first["resource"]["id"] == "ann"
    assert first["response"] == {
        "status": "201 Created",
        "location": f"{BASE}/Patient/ann/_history/3",
        "etag": 'W/"3"',
        "lastModified": "2026-03-04T05:06:07.891Z",
    }
    assert second["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert "resource" not in second
    assert third == {
        "response": {
            "status": "200 OK",
            "etag": 'W/"3"',
            "lastModified": "2026-03-04T05:06:07.891Z",
        }
    }
    assert fourth["response"]["status"] == "404 Not Found"
    assert fourth["response"]["outcome"]["issue"][0]["code"] == "not-found"
    assert fifth == {"response": {"status": "204 No Content"}}


def test_an_empty_batch_has_no_entry() -> None:
    assert fhir_json.read(bundles.responses("transaction-response", []).body) == {
        "resourceType": "Bundle",
        "type": "transaction-response",
    }
