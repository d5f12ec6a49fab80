"""A storm: treatments that start together, merged in order, with the truth of the few."""

from datetime import timedelta

from simulator.storm import storm
from simulator.virtual import START


def test_a_storm_starts_within_its_minute_and_arrives_in_order() -> None:
    made = storm(4, homes=12, troubled=2, minutes=8.0)
    starts = [session.start for session in (*made.calm, *made.troubled)]
    assert all(START <= one <= START + timedelta(seconds=60) for one in starts)
    assert len(set(starts)) == 12
    said = list(made)
    received = [sent.received for sent in said]
    assert received == sorted(received)
    assert len({sent.eui64 for sent in said}) == 24
    assert all(session.truth.alerts == () for session in made.calm)
    for session in made.troubled:
        assert [alert.code for alert in session.truth.alerts] == ["198260", "198260"]
        assert session.moments["event:198260"]


def test_the_same_seed_is_the_same_storm() -> None:
    one, other = (list(storm(5, homes=3, troubled=1, minutes=7.0)) for _ in range(2))
    assert [(sent.received, sent.payload) for sent in one] == [
        (sent.received, sent.payload) for sent in other
    ]
