"""Whatever happens in whatever order: armed means that somebody who answered can be reached now."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core import arming
from subscriptions.core.arming import UNARMED, Arming
from subscriptions.core.ladder_state import Contact

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
MEMBERS = ("RelatedPerson/bob", "RelatedPerson/eve", "Practitioner/nina", "Patient/ann")

CONTACTS = st.builds(
    Contact,
    member=st.sampled_from(MEMBERS),
    tier=st.integers(1, 2),
    professional=st.booleans(),
    shares_with_patient=st.booleans(),
    unreachable=st.sampled_from((None, "stopped")),
)
ROSTERS = st.lists(CONTACTS, max_size=4, unique_by=lambda one: one.member)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("ask", "answer", "look", "over")),
        ROSTERS,
        st.sampled_from(MEMBERS),
        st.booleans(),
        st.integers(0, 4000),
    ),
    max_size=12,
)


@given(EVENTS, st.booleans())
def test_armed_is_never_said_without_somebody(
    events: list[tuple[str, list[Contact], str, bool, int]], in_session: bool
) -> None:
    known, now = UNARMED, NOW
    answered: set[str] = set()
    for kind, roster, member, allowed, seconds in events:
        now += timedelta(seconds=seconds)
        if kind == "ask":
            known = arming.asked(known, roster, now)
        elif kind == "answer":
            known = arming.acknowledged(known, member, roster, now, allowed=allowed)
            answered.add(member)
        elif kind == "over":
            known, answered = UNARMED, set()
        looked = arming.looked_at(known, roster, now, allowed=allowed, in_session=in_session)
        if looked.state == "armed":
            assert allowed
            assert set(looked.by) & set(arming.able(roster))
            assert set(looked.by) <= answered
        check(looked, now)
        known = looked


def check(known: Arming, now: datetime) -> None:
    """What is told to people agrees with itself."""
    assert (known.state == "armed") == (known.reason is None) == (known.armed is not None)
    assert bool(known.by) == (known.state == "armed")
    assert (arming.tell_at(known, now) is None) == (known.state == "armed")
