"""Signs of life in one batch: what says something new is told, in order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from adapters.contacts import note
from fhirserver.kernel.readings import Contact

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
FIRST = Contact(1, "m1", "ann", "TX", True, NOW, False, "t-1", NOW)


def noted(*contacts: Contact) -> list[Contact]:
    told: list[Contact] = []
    for contact in contacts:
        note(told, contact)
    return told


def test_the_newest_stands_for_those_that_said_the_same() -> None:
    later = replace(FIRST, received=NOW + timedelta(seconds=1))
    assert noted(FIRST, later) == [later]


def test_what_changed_is_told_in_order() -> None:
    over = replace(FIRST, mode="POSTTX")
    another = replace(FIRST, session="t-2")
    elsewhere = replace(another, patient="joe")
    assert noted(FIRST, over, another, elsewhere) == [FIRST, over, another, elsewhere]


def test_a_goodbye_is_not_lost() -> None:
    gone = replace(FIRST, online=False)
    assert noted(gone, FIRST) == [gone, FIRST]
