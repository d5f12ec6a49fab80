"""When a decision that was remembered has to be made again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fhirserver.auth.lasting import LONGEST, holds_until
from fhirserver.kernel.principal import Grant, Membership, Principal, Provision, Relations

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
SOON = NOW + timedelta(seconds=1)
LATER = NOW + timedelta(seconds=2)
BEFORE = NOW - timedelta(days=1)
MEMBER = Membership("ann", "Practitioner/nina", None, None, None)
PROVISION = Provision("ann", "c", permits=False)


def test_it_lasts_its_longest_time_where_nothing_has_a_time() -> None:
    assert holds_until(Relations((MEMBER,), (PROVISION,)), NOW) == NOW + LONGEST


def test_the_next_beginning_or_end_counts() -> None:
    starts, ends = replace(MEMBER, starts=SOON), replace(MEMBER, ends=SOON)
    for one in (starts, ends):
        assert holds_until(Relations((MEMBER, one)), NOW) == SOON
    for rule in (replace(PROVISION, starts=SOON), replace(PROVISION, ends=SOON)):
        assert holds_until(Relations((MEMBER,), (rule,)), NOW) == SOON
    assert holds_until(Relations((starts, replace(MEMBER, ends=LATER))), NOW) == SOON


def test_what_is_over_and_what_is_far_away_says_nothing() -> None:
    over = replace(MEMBER, starts=BEFORE, ends=BEFORE)
    far = replace(MEMBER, ends=NOW + timedelta(days=1))
    assert holds_until(Relations((over, far)), NOW) == NOW + LONGEST


def test_a_shift_and_the_token_have_their_ends_too() -> None:
    assert holds_until(Relations(until=SOON), NOW) == SOON
    grant = Grant(Principal(1, "practitioner", "Practitioner/nina"), expires=SOON)
    assert holds_until(Relations(), NOW, grant) == SOON
