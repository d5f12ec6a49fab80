"""Shifts and quiet hours in every zone and year: nobody is missing, and nothing changes unannounced."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import available_timezones

from hypothesis import given
from hypothesis import strategies as st

from fhirserver.relations.on_call import next_change, on_call_at
from subscriptions.core import quiet_hours
from subscriptions.core.quiet_hours import QuietHours, is_quiet
from tests.unit.subscriptions.response.test_on_call import rotation, team

ZONES = st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"}))
MOMENTS = st.datetimes(
    min_value=datetime(2020, 1, 2),  # noqa: DTZ001 - made aware below
    max_value=datetime(2037, 12, 30),  # noqa: DTZ001 - made aware below
).map(lambda moment: moment.replace(tzinfo=UTC, microsecond=0))
LENGTHS = st.one_of(
    st.tuples(st.integers(1, 48), st.just("h")),
    st.tuples(st.integers(1, 14), st.just("d")),
    st.tuples(st.integers(1, 4), st.just("wk")),
)
TIMES = st.times().map(lambda one: one.replace(microsecond=0))
FRACTIONS = st.floats(min_value=0, max_value=0.999)


@given(ZONES, MOMENTS, LENGTHS, TIMES, st.integers(1, 5), FRACTIONS)
def test_somebody_is_always_on_duty_and_stays_until_the_handover(
    zone: str,
    at: datetime,
    length: tuple[int, str],
    handover: time,
    people: int,
    part: float,
) -> None:
    shifts = team(
        rotation(
            *(f"p{number}" for number in range(people)),
            start="2019-12-01",
            handover=handover.isoformat(),
            zone=zone,
            length=length[0],
            unit=length[1],
        )
    )
    on_duty, until = on_call_at(shifts, at), next_change(shifts, at)
    assert len(on_duty) == 1
    assert until is not None
    assert at < until <= at + timedelta(weeks=4, days=2)
    within = at + (until - at) * part
    assert on_call_at(shifts, within) == on_duty
    assert next_change(shifts, within) == until


@given(ZONES, MOMENTS, st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=3), FRACTIONS)
def test_quiet_hours_begin_and_end_when_they_say(
    zone: str, at: datetime, spans: list[tuple[time, time]], part: float
) -> None:
    hours = [QuietHours(start, end, zone) for start, end in spans]
    until = quiet_hours.next_change(hours, at)
    assert until is not None
    assert at < until
    assert is_quiet(hours, at + (until - at) * part) == is_quiet(hours, at)
