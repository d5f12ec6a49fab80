"""The token of a link."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core.page_link import LENGTH, read, sealed_text, token

SEALS = st.integers(-(2**63), 2**63 - 1)


@given(st.integers(0, 2**31 - 1), st.uuids(), SEALS)
def test_a_token_says_what_went_in(tenant: int, attempt: UUID, seal: int) -> None:
    made = token(tenant, attempt, seal)
    assert len(made) == LENGTH
    assert made.isascii()
    assert made.isalpha()
    assert read(made) == (tenant, attempt, seal)


@given(st.text(max_size=60))
def test_anything_else_is_no_token(text: str) -> None:
    found = read(text)
    assert found is None or token(*found) == text


def test_the_longest_letters_are_no_token() -> None:
    assert read("z" * LENGTH) is None
    assert read("A" * (LENGTH - 1)) is None
    assert read("A" * LENGTH) == (0, UUID(int=0), 0)


def test_the_seal_is_over_both() -> None:
    one = UUID(int=1)
    assert len({sealed_text(1, one), sealed_text(2, one), sealed_text(1, UUID(int=2))}) == 3
