"""Which columns of the index stand bare."""

from fhirserver.search import coarse

ROWS = 1000
NAME = "Patient|family|pberg"


def test_a_value_with_the_keys_it_should_have_is_not_bare() -> None:
    counts = {NAME: 400, "Patient|family|plund": 2}
    assert coarse.bare(counts, ROWS, coarse.spread_of(counts, ROWS)) == {}


def test_a_value_that_became_frequent_is() -> None:
    assert coarse.bare({NAME: 400}, ROWS, {NAME: 100}) == {"Patient.family, first 4": 0.4}
    # Up to twice as many as were counted come by rounding and chance.
    assert coarse.bare({NAME: 400}, ROWS, {NAME: 200}) == {}


def test_an_index_that_spreads_nothing_is_bare_where_values_are_shared() -> None:
    found = coarse.bare({"Condition|code|cN18.6": 900, "Condition|code|cB20": 3}, ROWS, None)
    assert found == {"Condition.code c": 0.9}


def test_the_share_is_of_what_stands_in_the_column() -> None:
    counts = {"Patient||gtow": 1000, **{f"Patient||g{one:03}": 10 for one in range(900)}}
    spread = dict.fromkeys(counts, 10)
    assert coarse.bare(counts, ROWS, spread) == {"Patient letters": 0.1}


def test_nothing_has_more_keys_than_a_search_can_ask_for() -> None:
    assert coarse.bare({NAME: ROWS}, ROWS, {NAME: coarse.MOST}) == {}


def test_columns_of_birth_are_told_apart_by_unit() -> None:
    counts = {
        "Patient|birthdate|d1961 quarter 2": 500,
        "Patient|birthdate|d1961-04": 400,
        "Patient|birthdate|d1961-04-07": 3,
    }
    assert set(coarse.bare(counts, ROWS, {})) == {
        "Patient.birthdate by quarter",
        "Patient.birthdate by month or day",
    }


def test_a_code_with_a_bar_in_its_system_is_a_code() -> None:
    assert set(coarse.bare({"Condition|code|burn:x|dial": 900}, ROWS, {})) == {"Condition.code b"}
