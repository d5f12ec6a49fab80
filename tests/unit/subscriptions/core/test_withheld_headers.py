"""Header values go, names stay in their place, and both find each other again."""

from itertools import count

import pytest

from subscriptions.core.withheld_headers import with_values, withheld, without_values


def names() -> str:
    return f"{next(_numbers):016x}"


_numbers = count(1)
GIVEN = {"channel": {"header": ["Authorization: Bearer a:b", "X-Key:  7 "], "type": "rest-hook"}}


def test_no_value_stays_and_all_come_back() -> None:
    stored, values = without_values(GIVEN, names)
    assert "Bearer" not in str(stored)
    assert [line.partition(":")[0] for line in stored["channel"]["header"]] == [
        "Authorization",
        "X-Key",
    ]
    assert withheld(stored) == values.keys()
    assert with_values(stored["channel"]["header"], values) == (
        "Authorization: Bearer a:b",
        "X-Key: 7",
    )


def test_what_is_withheld_keeps_its_name() -> None:
    stored, _ = without_values(GIVEN, names)
    assert without_values(stored, names) == (stored, {})


def test_lines_that_only_look_alike_are_values() -> None:
    given = {"channel": {"header": ["X: withheld-12", "Y: withheld-0123456789abcdeF", "Z:"]}}
    stored, values = without_values(given, names)
    assert withheld(given) == frozenset()
    assert len(withheld(stored)) == len(values) == 3


def test_a_value_that_is_not_there_is_no_empty_header() -> None:
    stored, _ = without_values(GIVEN, names)
    with pytest.raises(KeyError):
        with_values(stored["channel"]["header"], {})


def test_without_header_lines_nothing_changes() -> None:
    assert without_values({"channel": {"type": "websocket"}}, names)[0] == {
        "channel": {"type": "websocket"}
    }
