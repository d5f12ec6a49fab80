"""Events that are gone: what a policy removed is counted, what it did not is named, in bounded memory."""

from datetime import UTC, datetime, timedelta

import pytest

from fhirserver.auditing.gone import GoneEvents

AT = datetime(2026, 1, 1, tzinfo=UTC)


def gone(count: int, most: int, before: int | None) -> GoneEvents:
    """Events of as many days, the policy reaching to the day `before`."""
    found = GoneEvents(most)
    for day in range(count):
        found.add(f"e{day}", AT + timedelta(days=day))
    if before is not None:
        found.policy(AT + timedelta(days=before))
    return found


@pytest.mark.parametrize(
    ("most", "before", "expired", "deleted", "more"),
    [
        (10, None, 0, ["e0", "e1", "e2", "e3", "e4"], 0),
        (10, 3, 3, ["e3", "e4"], 0),
        (10, 9, 5, [], 0),
        (2, 3, 3, ["e3", "e4"], 0),
        (2, 9, 5, [], 0),
        # The oldest are not known one by one any more, and at least one of them was not the policy's doing.
        (2, 2, 0, ["e3", "e4"], 3),
        (2, None, 0, ["e3", "e4"], 3),
    ],
)
def test_what_the_policy_removed_is_told_from_what_was_deleted(
    most: int, before: int | None, expired: int, deleted: list[str], more: int
) -> None:
    found = gone(5, most, before)
    assert (found.expired(), list(found.deleted()), found.more()) == (expired, deleted, more)


def test_the_longest_policy_counts() -> None:
    found = gone(5, 10, 4)
    found.policy(AT)
    assert found.expired() == 4
