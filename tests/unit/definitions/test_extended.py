"""Definitions on top of others: canonical resources in layers, and custom search parameters."""

import gc
import weakref
from typing import Any

import pytest

from fhirserver.definitions import Definitions, load

Json = dict[str, Any]

URL = "http://example.org/ValueSet/a"


def value_set(version: str | None, name: str = "a", url: str = URL) -> Json:
    stated = {} if version is None else {"version": version}
    return {"resourceType": "ValueSet", "url": url, "name": name, **stated}


def parameter(code: str = "race", **more: Any) -> Json:
    return {
        "resourceType": "SearchParameter",
        "url": f"http://example.org/SearchParameter/{code}",
        "code": code,
        "status": "active",
        "type": "token",
        "base": ["Patient"],
        "expression": "Patient.extension.value",
        **more,
    }


def extended(*resources: Json, enabled: tuple[str, ...] = ()) -> Definitions:
    return load().extended(resources, frozenset(enabled))


def found(definitions: Definitions, url: str, version: str | None = None) -> str | None:
    resource = definitions.canonical("ValueSet", url, version)
    return None if resource is None else str(resource["name"])


def test_what_is_below_stays_as_it_was() -> None:
    before = load()
    extended(value_set("1"), parameter())
    assert found(before, URL) is None
    assert "race" not in before.indexed_parameters("Patient")
    assert load() is before


def test_versions() -> None:
    definitions = extended(
        value_set("1.9.0", "nine"), value_set("1.10.0", "ten"), value_set("2.0.0-beta", "beta")
    )
    assert found(definitions, URL) == "beta"
    assert found(definitions, URL, "1.9.0") == "nine"
    assert found(definitions, f"{URL}|1.10.0") == "ten"
    assert found(definitions, f"{URL}|1.10") == "ten"
    assert found(definitions, f"{URL}|1.1") is None
    assert found(definitions, URL, "3") is None
    released = definitions.extended([value_set("2.0.0", "release")], frozenset())
    assert found(released, URL) == "release"


def test_a_release_comes_after_its_previews() -> None:
    definitions = extended(value_set("2.0.0", "release"), value_set("2.0.0-beta", "beta"))
    assert found(definitions, URL) == "release"


def test_a_higher_layer_hides_the_one_below() -> None:
    package = extended(value_set("5.0.0", "package"), value_set("1.0.0", "old"))
    tenant = package.extended([value_set("2.0.0", "tenant")], frozenset())
    assert found(tenant, URL) == "tenant"
    assert found(tenant, URL, "5.0.0") == "package"
    hidden = package.extended([value_set("5.0.0", "mine")], frozenset())
    names = [one["name"] for one in hidden.canonicals("ValueSet") if one["url"] == URL]
    assert sorted(names) == ["mine", "old"]


def test_later_ones_win() -> None:
    assert found(extended(value_set("1", "first"), value_set("1", "second")), URL) == "second"


def test_what_is_no_canonical_is_left_out() -> None:
    definitions = extended({"resourceType": "Patient", "url": URL}, {"resourceType": "ValueSet"})
    assert found(definitions, URL) is None
    assert definitions.canonical("Patient", URL) is None


def test_profiles_of_the_specification_are_there() -> None:
    core = "http://hl7.org/fhir/StructureDefinition/"
    assert {core + "bp", core + "vitalsigns"} <= set(load().profiles("Observation"))
    assert core + "patient-birthTime" not in load().profiles("Patient")


def test_a_parameter_is_indexed_first_and_searched_when_enabled() -> None:
    race = parameter()
    pending = extended(race)
    assert "race" in pending.indexed_parameters("Patient")
    assert "race" not in pending.search_parameters("Patient")
    assert set(pending.pending_parameters()) == {race["url"]}
    ready = extended(race, enabled=(race["url"],))
    assert ready.search_parameters("Patient")["race"].url == race["url"]
    assert ready.pending_parameters() == {}
    assert "race" not in ready.search_parameters("Observation")


def test_a_changed_parameter_has_another_fingerprint() -> None:
    (before,) = extended(parameter()).pending_parameters().values()
    (same,) = extended(parameter(description="more words")).pending_parameters().values()
    (other,) = extended(parameter(expression="Patient.name")).pending_parameters().values()
    assert before == same != other


@pytest.mark.parametrize(
    "change", [{"status": "retired"}, {"type": "wish"}, {"expression": None}, {"base": None}]
)
def test_what_cannot_be_used_is_not_indexed(change: Json) -> None:
    definitions = extended(parameter(**change))
    assert "race" not in definitions.indexed_parameters("Patient")
    assert definitions.pending_parameters() == {}


def test_a_union_is_cut_to_the_type() -> None:
    union = parameter(base=["Patient", "Person"], expression="Patient.name | Person.name")
    definitions = extended(union)
    assert definitions.indexed_parameters("Patient")["race"].expression == "Patient.name"
    assert definitions.indexed_parameters("Person")["race"].expression == "Person.name"


def test_a_parameter_of_all_resources() -> None:
    definitions = extended(parameter(base=["Resource"], expression="Resource.meta.source"))
    assert definitions.indexed_parameters("Flag")["race"].expression == "Resource.meta.source"


def test_parameters_of_the_specification_answer_first() -> None:
    url = "http://example.org/SearchParameter/gender"
    definitions = extended(parameter("gender"), enabled=(url,))
    assert definitions.search_parameters("Patient")["gender"].url != url


def test_composites() -> None:
    component = {
        "definition": "http://hl7.org/fhir/SearchParameter/clinical-code",
        "expression": "code",
    }
    whole = parameter("pair", type="composite", base=["Observation"], component=[component])
    (part,) = extended(whole).indexed_parameters("Observation")["pair"].components
    assert (part.code, part.type) == ("code", "token")
    component["definition"] = "http://example.org/nowhere"
    assert "pair" not in extended(whole).indexed_parameters("Observation")


def test_what_is_derived_is_made_once_and_goes_with_its_definitions() -> None:
    """Every stored profile makes new definitions: the old ones must not stay for ever."""

    class Kept:
        def __init__(self, definitions: Definitions) -> None:
            self.definitions = definitions

    definitions = extended(value_set("1"))
    kept = definitions.derived(Kept)
    assert definitions.derived(Kept) is kept
    higher = definitions.extended([value_set("2")], frozenset())
    assert higher.derived(Kept) is not kept
    gone = weakref.ref(kept)
    del definitions, kept, higher
    gc.collect()
    assert gone() is None
