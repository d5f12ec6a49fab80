"""The attack of `index_attack`, small enough for every run: what it finds, and that it would find what is bare."""

import pytest

from tests.oracles.index_attack import ALLOWED_POINTS, Column, attack, table

# The command's 100 000 take minutes; so many show the same.
PATIENTS = 2_500


@pytest.fixture(scope="module")
def bare() -> dict[str, Column]:
    return {one.name: one for one in attack(PATIENTS, measured=False, plain=True)}


def test_nothing_is_learned_from_an_index_that_was_measured() -> None:
    columns = attack(PATIENTS, measured=True)
    assert len(columns) > 30
    worse = [one for one in columns if one.points > ALLOWED_POINTS]
    assert not worse, table(worse)


def test_the_attack_finds_what_is_bare(bare: dict[str, Column]) -> None:
    for name in ("Patient.family, first 1", "Patient.given, first 1", "Condition.code b"):
        assert bare[name].points > 50, table([bare[name]])


def test_columns_of_few_values_have_no_keys_at_all(bare: dict[str, Column]) -> None:
    for name in ("gender c", "active c", "deceased c", "language c"):
        assert bare[f"Patient.{name}"].keys == 0
