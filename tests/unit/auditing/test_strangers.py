"""A flood of refusals is told as its count, and nobody else's refusal is lost in it."""

from datetime import UTC, datetime, timedelta

from fhirserver.auditing.strangers import SINGLY, WINDOW, Strangers

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_first_are_told_singly_and_the_rest_as_a_count() -> None:
    strangers = Strangers()
    told = [one for _ in range(SINGLY + 30) for one in strangers.heard("a", 401, AT)]
    assert told == [("a", 401, 0)] * SINGLY
    assert strangers.heard("b", 401, AT) == [("b", 401, 0)]
    later = strangers.heard("b", 401, AT + WINDOW)
    assert later == [("a", 401, 30), ("b", 401, 0)]


def test_a_quiet_window_starts_anew() -> None:
    strangers = Strangers()
    for second in range(5):
        moment = AT + second * WINDOW + timedelta(seconds=1)
        assert strangers.heard("a", 401, moment) == [("a", 401, 0)]
