"""SMART scopes: both versions read, narrowed exactly, held against one interaction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.auth.scopes import Scope, Scopes, UnknownScope, meets_filter, narrow, read_scopes
from fhirserver.kernel.resource import Json
from fhirserver.kernel.scope import LETTERS

ANN = frozenset({"ann"})
JOE = frozenset({"joe"})
NOBODY: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("patient/Observation.read", "rs"),
        ("patient/Observation.write", "cud"),
        ("patient/Observation.*", "cruds"),
        ("patient/Observation.rs", "rs"),
        ("patient/Observation.cruds", "cruds"),
        ("user/*.s", "s"),
    ],
)
def test_both_versions_are_read_and_told_as_they_were_asked(text: str, letters: str) -> None:
    scopes = read_scopes(text)

    assert scopes.resources[0].letters == letters
    assert scopes.text() == text


@pytest.mark.parametrize(
    "text",
    [
        "patient/Observation.sr",
        "patient/Observation.",
        "patient/Observation.x",
        "patient/Observations.rs",
        "everyone/Observation.rs",
        "patient/Observation.read?category=vital-signs",
        "patient/*.rs?category=vital-signs",
        "patient/Observation.rs?nonsense=1",
        "patient/Observation.rs?subject.name=Ann",
        "patient/Observation.rs?_has:Flag:subject:code=1",
        "patient/Observation.rs?_count=1",
        "patient/Observation.rs?category",
        "admin",
    ],
)
def test_what_is_unknown_is_left_out_or_refused(text: str) -> None:
    assert read_scopes(f"openid {text} patient/Patient.rs").texts() == (
        "openid",
        "patient/Patient.rs",
    )
    with pytest.raises(UnknownScope, match="unknown scope"):
        read_scopes(text, strict=True)


def test_a_filter_is_a_search_on_one_resource() -> None:
    (scope,) = read_scopes("patient/Observation.rs?category=vital-signs&status=final").resources
    vital: Json = {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": "http://x", "code": "vital-signs"}]}],
    }

    assert meets_filter(vital, scope.filter)
    assert not meets_filter({**vital, "status": "amended"}, scope.filter)
    assert not meets_filter({**vital, "category": []}, scope.filter)


def test_patient_scopes_are_about_the_launch_patient_and_what_names_nobody() -> None:
    scopes = read_scopes("patient/*.rs")

    assert scopes.allows("r", "Observation", ANN, "ann")
    assert scopes.allows("r", "Practitioner", NOBODY, "ann")
    assert not scopes.allows("r", "Observation", JOE, "ann")
    assert not scopes.allows("r", "Observation", ANN | JOE, "ann")
    assert not scopes.allows("r", "Observation", ANN, None)
    assert not scopes.allows("c", "Observation", ANN, "ann")


def test_nothing_is_allowed_without_a_scope() -> None:
    assert not Scopes().allows("r", "Patient", ANN, "ann")


@pytest.mark.parametrize(
    ("granted", "asked", "both"),
    [
        ("patient/*.cruds", "patient/Observation.rs", "patient/Observation.rs"),
        ("patient/Observation.rs", "patient/*.cruds", "patient/Observation.rs"),
        ("patient/Observation.rs", "patient/Observation.cu", ""),
        ("user/Observation.rs", "patient/Observation.rs", ""),
        (
            "patient/Observation.rs?category=vital-signs",
            "patient/Observation.rs",
            "patient/Observation.rs?category=vital-signs",
        ),
        (
            "patient/Observation.rs?category=vital-signs",
            "patient/Observation.r?status=final",
            "patient/Observation.r?category=vital-signs&status=final",
        ),
        ("openid launch user/*.*", "openid fhirUser user/*.read", "openid user/*.read"),
        ("user/*.rs", "user/*.*", "user/*.rs"),
        ("user/*.rs user/Patient.rs", "user/*.rs", "user/*.rs"),
    ],
)
def test_narrowing_is_an_intersection(granted: str, asked: str, both: str) -> None:
    assert narrow(read_scopes(granted), read_scopes(asked)).text() == both


some_scopes = st.lists(
    st.builds(
        Scope,
        st.sampled_from(["patient", "user", "system"]),
        st.sampled_from(["*", "Observation", "Patient"]),
        st.sets(st.sampled_from(LETTERS), min_size=1).map(
            lambda found: "".join(one for one in LETTERS if one in found)
        ),
    ),
    max_size=4,
).map(lambda found: Scopes(tuple(found)))
questions = st.tuples(
    st.sampled_from(LETTERS),
    st.sampled_from(["Observation", "Patient", "Flag"]),
    st.sampled_from([NOBODY, ANN, JOE, ANN | JOE]),
)


@given(some_scopes, some_scopes, questions)
def test_narrowed_scopes_allow_what_one_context_of_both_allows(
    granted: Scopes, asked: Scopes, question: tuple[str, str, frozenset[str]]
) -> None:
    letter, type_, patients = question

    def allowed(scopes: Scopes) -> set[str]:
        return {
            context
            for context in scopes.contexts()
            if Scopes(tuple(o for o in scopes.resources if o.context == context)).allows(
                letter,  # type: ignore[arg-type]
                type_,
                patients,
                "ann",
            )
        }

    assert allowed(narrow(granted, asked)) == allowed(granted) & allowed(asked)
