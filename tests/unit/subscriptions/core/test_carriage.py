"""Which company is asked next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core.carriage import Fate, Try, is_over, next_company

BOTH = ("first", "second")


def tries(*pairs: tuple[str, Fate]) -> list[Try]:
    return [Try(company, fate) for company, fate in pairs]


@pytest.mark.parametrize(
    ("before", "resting", "asked"),
    [
        ([], (), "first"),
        ([], ("first",), "second"),
        ([], BOTH, "first"),
        ([("first", "failed")], (), "second"),
        ([("first", "failed")], ("second",), "second"),
        ([("first", "failed"), ("second", "failed")], (), "first"),
        ([("first", "unheard")], (), "second"),
        ([("first", "unheard"), ("second", "failed")], (), "second"),
        ([("first", "unheard"), ("second", "unheard")], (), None),
        ([("gone", "failed")], (), "first"),
    ],
)
def test_the_next_company(
    before: list[tuple[str, Fate]], resting: tuple[str, ...], asked: str | None
) -> None:
    assert next_company(BOTH, tries(*before), resting) == asked


def test_without_a_company_there_is_no_next() -> None:
    assert next_company((), []) is None


@pytest.mark.parametrize(
    ("fate", "over"),
    [("open", False), ("taken", True), ("refused", True), ("failed", False), ("unheard", False)],
)
def test_when_it_is_over(fate: Fate, over: bool) -> None:
    assert is_over(tries(("first", "failed"), ("second", fate))) is over


@given(st.lists(st.sampled_from(("failed", "unheard")), max_size=30))
def test_every_company_is_asked_before_one_is_asked_again(fates: list[Fate]) -> None:
    made: list[Try] = []
    for fate in fates:
        company = next_company(BOTH, made)
        if company is None:
            assert {one.company for one in made if one.fate == "unheard"} == set(BOTH)
            return
        made.append(Try(company, fate))
    unheard = {one.company for one in made if one.fate == "unheard"}
    if not unheard:
        counts = [sum(one.company == name for one in made) for name in BOTH]
        assert max(counts) - min(counts) <= 1
