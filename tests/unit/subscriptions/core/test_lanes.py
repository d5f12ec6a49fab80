"""Places for deliveries: alarms find one, and nobody holds up another."""

from datetime import UTC, datetime, timedelta

from fhirserver.kernel.canonical import TOPIC_DEVICE_ALERT
from subscriptions.core.delivery import Cursor
from subscriptions.core.lanes import KEPT_FOR_ALERTS, PLACES, TOTAL, Lane, free_places, lane_of

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(seconds=9)


def flights(lane: Lane, count: int, since: datetime = NOW) -> list[tuple[Lane, datetime]]:
    return [(lane, since)] * count


def test_telephones_and_alarms_go_first_and_failing_endpoints_apart() -> None:
    common = Cursor("active", "http://example.org/topic")
    alert = Cursor("active", TOPIC_DEVICE_ALERT)
    assert lane_of(common) == "common"
    assert lane_of(alert) == "alert"
    assert lane_of(Cursor("active", "x", failing_since=NOW)) == "failing"
    assert lane_of(Cursor("active", TOPIC_DEVICE_ALERT, failing_since=NOW)) == "failing"
    assert lane_of(Cursor("active", "x", managed=True, failing_since=NOW)) == "alert"


def test_dead_endpoints_do_not_take_the_places_of_others() -> None:
    free = free_places(flights("failing", PLACES["failing"], LONG_AGO), NOW)
    assert free["failing"] == 0
    assert free["common"] > 0


def test_whoever_takes_long_gives_its_place_back_while_it_goes_on() -> None:
    assert free_places(flights("common", PLACES["common"]), NOW)["common"] == 0
    assert free_places(flights("common", PLACES["common"], LONG_AGO), NOW)["common"] > 0


def test_alarms_find_a_place_when_everything_else_is_full() -> None:
    slow = flights("common", TOTAL - KEPT_FOR_ALERTS, LONG_AGO)
    free = free_places(slow, NOW)
    assert free["common"] == free["failing"] == 0
    assert free["alert"] == KEPT_FOR_ALERTS


def test_there_is_an_end_of_places() -> None:
    free = free_places(flights("alert", TOTAL, LONG_AGO), NOW)
    assert set(free.values()) == {0}
