"""Filters: the values they find, the demands made of a Subscription's criteria, and their agreement."""

import pytest

from fhirserver.kernel import canonical
from fhirserver.kernel.canonical import FLAG_PRIORITY
from fhirserver.kernel.resource import Json
from subscriptions.core.filter_criteria import (
    MAX_CONDITIONS,
    MAX_VALUES,
    BadFilter,
    Demand,
    Equality,
    demands,
    search_demand,
)
from subscriptions.core.topic import Facts, Topic
from subscriptions.core.topic_filter import NO_FACTS
from tests.unit.subscriptions.core.topics import BASE, made, ours

ALERT = ours(canonical.TOPIC_DEVICE_ALERT)
TASK = ours(canonical.TOPIC_ALERT_TASK)
OBSERVED = ours(canonical.TOPIC_PATIENT_OBSERVATION)
ANYTHING = ours(canonical.TOPIC_RESOURCE_CHANGE)

FLAG: Json = {
    "resourceType": "Flag",
    "id": "f",
    "status": "active",
    "code": {"coding": [{"system": "urn:mdc", "code": "198260"}, {"code": "x|y"}]},
    "subject": {"reference": "Patient/ann"},
    "extension": [
        {"url": FLAG_PRIORITY, "valueCodeableConcept": {"coding": [{"code": "PM"}]}},
    ],
}


def values(topic: Topic, resource: Json, name: str, facts: Facts = NO_FACTS) -> frozenset[str]:
    return topic.values(resource, [name], facts)[name]


def test_values() -> None:
    assert values(ALERT, FLAG, "patient") == {"Patient/ann"}
    assert values(ALERT, FLAG, "priority") == {"PM", "|PM"}
    assert values(ALERT, FLAG, "code") == {
        "198260", "urn:mdc|198260", "urn:mdc|", "x\\|y", "|x\\|y",
    }  # fmt: skip
    assert values(ALERT, FLAG, "category") == frozenset()
    status = "http://hl7.org/fhir/flag-status|"
    assert values(ALERT, FLAG, "status") == {"active", "|active", f"{status}active", status}
    assert values(ANYTHING, FLAG, "_id") == {"f"}


def test_only_what_is_asked_for_and_known_is_read() -> None:
    assert set(ALERT.values(FLAG, ["patient", "weather"])) == {"patient"}
    assert ALERT.values({"resourceType": "Task"}, ["patient"]) == {}


def test_canonicals_and_uris_are_found_with_and_without_version() -> None:
    task: Json = {"resourceType": "Task", "instantiatesCanonical": "http://x/a|1"}
    names = {one: values(ANYTHING, task, one) for one in ("status",)}
    assert names == {"status": frozenset()}
    measure: Json = {"resourceType": "MeasureReport", "measure": "http://x/m|2"}
    assert values(ANYTHING, measure, "measure") == {"http://x/m|2", "http://x/m"}
    profiled: Json = {"resourceType": "Basic", "meta": {"profile": ["http://x/p|3"]}}
    assert values(ANYTHING, profiled, "_profile") == {"http://x/p|3", "http://x/p"}


def test_facts_about_the_patient() -> None:
    facts = Facts(frozenset({"Organization/1"}), frozenset({"CareTeam/a", "CareTeam/b"}))
    assert values(ALERT, FLAG, "organization", facts) == {"Organization/1"}
    assert values(ALERT, FLAG, "care-team", facts) == {"CareTeam/a", "CareTeam/b"}
    assert values(ALERT, FLAG, "care-team") == frozenset()
    assert ALERT.filters("Flag")["care-team"].source == "care-team"


def equalities(topic: Topic, *criteria: str) -> dict[str, frozenset[str]]:
    (demand,) = demands(topic, criteria)
    return {one.parameter: one.values for one in demand.equal}


def test_what_is_written_in_each_of_the_three_ways() -> None:
    wanted = {"patient": frozenset({"Patient/ann"}), "code": frozenset({"urn:mdc|1", "2"})}
    assert equalities(ALERT, "Flag?patient=Patient/ann&code=urn:mdc|1,2") == wanted
    assert equalities(ALERT, "patient=ann", "code=urn%3Amdc%7C1,2") == wanted
    assert equalities(ALERT, "Flag.patient=ann", "Flag.code=urn%3Amdc|1,2") == wanted
    assert equalities(ALERT, "?patient=ann&code=urn:mdc|1,2") == wanted


def test_references() -> None:
    everybody = {f"{one}/bob" for one in ("RelatedPerson", "Practitioner", "Patient")}
    assert everybody <= equalities(TASK, "Task?owner=bob")["owner"]
    assert equalities(TASK, "Task?owner=RelatedPerson/bob")["owner"] == {"RelatedPerson/bob"}
    assert equalities(TASK, "owner:RelatedPerson=bob")["owner"] == {"RelatedPerson/bob"}
    topic = made(canFilterBy=[{"filterParameter": "patient"}])
    both = {"Patient/ann", f"{BASE}/Patient/ann"}
    assert equalities(topic, f"patient={BASE}/Patient/ann")["patient"] == both
    assert equalities(topic, "patient=https://else.example/Patient/ann")["patient"] == {
        "https://else.example/Patient/ann"
    }


def test_facts_are_demanded_by_reference() -> None:
    (demand,) = demands(ALERT, ["organization=1,Organization/2", "care-team=CareTeam/a"])
    assert demand.equal == (
        Equality(
            "organization", frozenset({"Organization/1", "Organization/2"}), 4, "organization"
        ),
        Equality("care-team", frozenset({"CareTeam/a"}), 4, "care-team"),
    )


def test_what_is_no_equality_is_left_to_a_test() -> None:
    criteria = ["Observation?date=ge2026-01-01&patient=ann", "value-quantity=gt180||mm[Hg],lt50"]
    (demand,) = demands(OBSERVED, criteria)
    assert [one.parameter for one in demand.equal] == ["patient"]
    assert demand.residual == (
        "Observation?date=ge2026-01-01",
        "Observation?value-quantity=gt180||mm[Hg],lt50",
    )
    pressure: Json = {
        "resourceType": "Observation",
        "effectiveDateTime": "2026-02-01",
        "valueQuantity": {"value": 181, "unit": "mm[Hg]"},
    }
    since, above = (OBSERVED.test(one) for one in demand.residual)
    assert since.holds(pressure)
    assert above.holds(pressure)
    assert not since.holds({**pressure, "effectiveDateTime": "2025-12-31"})
    assert not above.holds({**pressure, "valueQuantity": {"value": 100, "unit": "mm[Hg]"}})
    assert not above.holds({"resourceType": "Flag"})
    assert OBSERVED.test(demand.residual[0]) is since, "compiled once"


def test_a_condition_that_cannot_be_read_any_more_tells_too_much_rather_than_too_little() -> None:
    gone = OBSERVED.test("Observation?code:in=http://example.org/ValueSet/of-a-removed-package")
    assert gone.holds({"resourceType": "Observation"})
    assert not gone.holds({"resourceType": "Flag"})


def test_a_topic_of_everything_is_demanded_by_type() -> None:
    assert demands(ANYTHING, []) == (Demand(None, (), ()),)
    assert demands(ANYTHING, ["_type=Observation,Flag"]) == (
        Demand("Observation", (), ()),
        Demand("Flag", (), ()),
    )
    made_of = demands(ANYTHING, ["Observation?code=x&status:not=final", "Encounter?status=planned"])
    assert [(one.type, [e.parameter for e in one.equal], one.residual) for one in made_of] == [
        ("Observation", ["code"], ("Observation?status:not=final",)),
        ("Encounter", ["status"], ()),
    ]
    both = demands(ANYTHING, ["_type=Observation,Encounter", "status=final", "Encounter?class=IMP"])
    assert [(one.type, [e.parameter for e in one.equal]) for one in both] == [
        ("Observation", ["status"]),
        ("Encounter", ["status", "class"]),
    ]


def test_a_topic_of_several_types_is_demanded_for_each() -> None:
    topic = made(
        resourceTrigger=[{"resource": "Encounter"}, {"resource": "Procedure"}],
        canFilterBy=[
            {"filterParameter": "patient"},
            {"filterParameter": "class", "resource": "Encounter"},
        ],
    )
    assert [one.type for one in demands(topic, ["patient=ann"])] == ["Encounter", "Procedure"]
    assert [one.type for one in demands(topic, ["Encounter?class=IMP"])] == ["Encounter"]
    with pytest.raises(BadFilter, match=r"cannot be filtered by Procedure\.class"):
        demands(topic, ["class=IMP"])


def test_plain_criteria_are_a_demand() -> None:
    assert search_demand(ANYTHING, "Observation") == Demand("Observation", (), ())
    assert search_demand(ANYTHING, "Observation?") == Demand("Observation", (), ())
    demand = search_demand(
        ANYTHING, "Observation?code=x&_lastUpdated=gt2026&code-value-quantity=a$1"
    )
    assert [one.parameter for one in demand.equal] == ["code"]
    assert demand.residual == (
        "Observation?_lastUpdated=gt2026",
        "Observation?code-value-quantity=a$1",
    )


@pytest.mark.parametrize(
    ("topic", "criteria", "why"),
    [
        (ALERT, "x", "'x' is not parameter=value"),
        (ALERT, "", "'' is not parameter=value"),
        (ALERT, "Flag?", "'' is not parameter=value"),
        (ALERT, "patient=", "is not parameter=value"),
        (ALERT, "=ann", "is not parameter=value"),
        (ALERT, "patient=ann&", "'' is not parameter=value"),
        (ALERT, "Task?owner=x", "does not watch Task"),
        (ALERT, "Task.owner=x", "does not watch Task"),
        (ALERT, "Flag?Task.owner=x", "names Task in a filter on Flag"),
        (ALERT, "weather=fine", r"cannot be filtered by Flag\.weather"),
        (ALERT, "patient:identifier=x", "patient takes no :identifier"),
        (ALERT, "status:not=active", "status takes no :not"),
        (ALERT, "patient:missing=true", "patient takes no :missing"),
        (ALERT, "patient:Device=x", "patient"),
        (ALERT, "patient.name=x", "cannot be filtered by"),
        (ALERT, "organization:missing=true", "takes no modifier"),
        (ALERT, "organization=Patient/1", "expected Organization/id"),
        (ALERT, "organization=a b", "organization: expected id"),
        (ALERT, "code=a|b|c", "parameter code"),
        (OBSERVED, "date=ap2026", "date takes no ap"),
        (OBSERVED, "value-quantity=ap5", "value-quantity takes no ap"),
        (OBSERVED, "date=yesterday", "expected a date"),
        (OBSERVED, "code:in=http://x/unknown", "http://x/unknown is not loaded"),
        (OBSERVED, "Observation?" + "&".join(["status=final"] * (MAX_CONDITIONS + 1)), "more than 50 conditions"),
        (OBSERVED, "code=" + ",".join(f"c{n}" for n in range(MAX_VALUES + 1)), "more than 200"),
        (ANYTHING, "code=x", "must say of which resource type"),
        (ANYTHING, "Starship?x=1", "does not watch Starship"),
        (ANYTHING, "_type=Starship", "does not watch Starship"),
        (ANYTHING, "Resource?_id=1", "does not watch Resource"),
        (ANYTHING, "Observation?_has:x:y:z=1", "cannot be filtered by"),
        (ANYTHING, "Observation?_count=1", "cannot be filtered by"),
        (ANYTHING, "Observation?_query=x", "cannot be filtered by"),
        (ANYTHING, "Observation?code:wrong=x", "wrong"),
        (ANYTHING, "_type=Flag&Patient.name=x", "a type that _type leaves out"),
    ],
)  # fmt: skip
def test_filters_that_are_refused(topic: Topic, criteria: str, why: str) -> None:
    with pytest.raises(BadFilter, match=why):
        demands(topic, [criteria])


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(BadFilter) as refusal:
        demands(ALERT, ["a=1", "status:not=x", "priority=PH&b=2"])
    assert len(refusal.value.problems) == 3


def test_plain_criteria_that_are_refused() -> None:
    for criteria in ("Starship?x=1", "Observation?x=1", "Observation?subject.name=1"):
        with pytest.raises(BadFilter):
            search_demand(ANYTHING, criteria)


def test_the_finest_filter_is_known() -> None:
    by_name = {one.name: one.selectivity for one in ALERT.filters("Flag").values()}
    assert by_name["patient"] < by_name["code"] < by_name["organization"] < by_name["status"]
    known = ANYTHING.filters("Patient")
    assert known["_id"].selectivity < known["identifier"].selectivity < known["gender"].selectivity
