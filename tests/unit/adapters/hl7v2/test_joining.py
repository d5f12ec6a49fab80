"""What is known and what a message says, put together; and two records of a patient."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.joining import as_of, is_older, joined, new
from adapters.hl7v2.mapping.mapped import MappedResource, Mode
from adapters.hl7v2.mapping.steps import escaped
from adapters.hl7v2.merging import ended, going_on, heir_of, identifier_of, with_former
from fhirserver import definitions
from fhirserver.interactions.admission import content_problems
from fhirserver.kernel.resource import Json

EARLY, LATE = datetime(2026, 8, 1, 9, tzinfo=UTC), datetime(2026, 8, 1, 10, tzinfo=UTC)


def made(
    type_: str, *, mode: Mode = "merge", cleared: tuple[str, ...] = (), **content: Any
) -> MappedResource:
    said = {"resourceType": type_, **content}
    return MappedResource("it", type_, said, (), mode, frozenset(content), frozenset(cleared))


def without_stamp(resource: Json) -> Json:
    return {key: one for key, one in resource.items() if key not in ("extension", "resourceType")}


def test_the_moment_of_the_last_word_is_kept() -> None:
    known = new(made("Patient", gender="male"), EARLY)
    assert as_of(known) == EARLY
    assert as_of(joined(known, made("Patient", gender="female"), LATE)) == LATE
    assert (is_older(EARLY, known), is_older(EARLY, joined(known, made("Patient"), LATE))) == (
        False,
        True,
    )
    assert not is_older(None, known)


def test_one_of_several_types_takes_the_place_of_another() -> None:
    known = new(made("Patient", deceasedBoolean=False), EARLY)
    after = joined(known, made("Patient", deceasedDateTime="2026-08-01"), LATE)
    assert without_stamp(after) == {"deceasedDateTime": "2026-08-01"}


def test_an_old_narrative_does_not_outlive_what_it_told() -> None:
    known = {**new(made("Patient"), EARLY), "text": {"status": "generated", "div": "<div/>"}}
    assert "text" not in joined(known, made("Patient", gender="male"), LATE)


def test_an_older_message_fills_a_period_and_leaves_the_rest() -> None:
    known = new(made("Encounter", status="finished", period={"end": "2026-08-02"}), LATE)
    said = made("Encounter", status="in-progress", period={"start": "2026-08-01", "end": "2026-08-09"})  # fmt: skip
    assert without_stamp(joined(known, said, EARLY)) == {
        "status": "finished",
        "period": {"start": "2026-08-01", "end": "2026-08-02"},
    }


def test_what_replaces_keeps_identity_alone() -> None:
    known = {**new(made("Observation", valueString="a", note=[{"text": "x"}]), EARLY), "id": "o"}
    after = joined(known, made("Observation", mode="replace", valueInteger=3), LATE)
    assert without_stamp(after) == {"id": "o", "valueInteger": 3}


@given(st.booleans(), st.booleans(), st.booleans())
def test_a_message_joined_twice_is_joined_once(older: bool, cleared: bool, replaced: bool) -> None:
    known = new(made("Patient", gender="male", identifier=[{"value": "a"}]), LATE)
    said = made(
        "Patient",
        mode="replace" if replaced else "merge",
        cleared=("gender",) if cleared else (),
        identifier=[{"value": "b"}],
        birthDate="1961",
    )
    moment = EARLY if older else LATE
    once = joined(known, said, moment)
    assert {one["value"] for one in once["identifier"]} == {"a", "b"}
    again = joined(once, said, moment)
    order = {key: one for key, one in again.items() if key != "identifier"}
    assert order == {key: one for key, one in once.items() if key != "identifier"}


def test_two_records_refer_to_each_other_once() -> None:
    retired = ended(ended({"resourceType": "Patient"}, "b"), "b")
    survivor = going_on(going_on({"resourceType": "Patient"}, ["a"]), ["a"])
    assert (heir_of(retired), heir_of(survivor)) == ("b", None)
    assert (len(retired["link"]), len(survivor["link"]), retired["active"]) == (1, 1, False)


@pytest.mark.parametrize("value", ["7", "a|b", "x,y", "1\\2", "$"])
def test_a_search_says_which_identifier_it_is_for(value: str) -> None:
    search = f"identifier=urn:x|{escaped(value)}"
    assert identifier_of(search) == ("urn:x", value)
    known = with_former({"resourceType": "Patient"}, [search])
    assert with_former(known, [search]) == known


@pytest.mark.parametrize("type_", ["Patient", "MedicationRequest"])
def test_what_it_is_stamped_with_is_defined(type_: str) -> None:
    def told(resource: Json) -> list[str]:
        found = content_problems(resource, definitions.load())
        return [one.severity for one in found if "extension" in one.expression]

    stamped = new(made(type_, resourceType=type_), LATE)
    assert told(stamped) == []
    (stamp,) = stamped["extension"]
    wrong = {"url": stamp["url"], "valueString": "now"}
    assert "error" in told({**stamped, "extension": [wrong]})
