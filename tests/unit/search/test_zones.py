"""Partial dates and time zones: the table every server gets wrong once."""

import pytest

from fhirserver.definitions import load
from fhirserver.search.match import matches
from fhirserver.search.query import parse


@pytest.mark.parametrize(
    ("stored", "asked", "expected"),
    [
        # The same moment written in three zones.
        ("2026-05-17T10:00:00Z", "2026-05-17T12:00:00+02:00", True),
        ("2026-05-17T10:00:00Z", "2026-05-17T05:00:00-05:00", True),
        ("2026-05-17T10:00:00Z", "2026-05-17T10:00:00+02:00", False),
        ("2026-05-17T10:00:00Z", "2026-05-17T15:45:00+05:45", True),
        # Midnight: the day is that of UTC, whatever the zone it was written in.
        ("2026-05-17T23:30:00-05:00", "2026-05-17", False),
        ("2026-05-17T23:30:00-05:00", "2026-05-18", True),
        ("2026-05-18T01:30:00+14:00", "2026-05-17", True),
        # Clocks put back: 02:30 comes twice, an hour apart.
        ("2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", False),
        ("2026-10-25T02:30:00+02:00", "lt2026-10-25T02:30:00+01:00", True),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z", True),
        # Clocks put forward: an hour of local time that never was.
        ("2026-03-29T03:00:00+02:00", "2026-03-29T02:00:00+01:00", True),
        ("2026-03-29T03:00:00+02:00", "gt2026-03-29T01:59:59+01:00", True),
        # Precision: a date means all of the time it leaves open.
        ("2026", "2026-05", False),
        ("2026-05", "2026", True),
        ("2026-05-17", "2026-05-17T10:00:00Z", False),
        ("2026-05-17T10:00:00Z", "2026-05-17", True),
        ("2026-05-17T10:00:30Z", "2026-05-17T10:00Z", True),
        ("2026-05-17T10:00:30.5Z", "2026-05-17T10:00:30Z", True),
        ("2026-05", "ge2026-05-17", True),
        ("2026-05", "gt2026-05-17", True),
        ("2026-05", "sa2026-05-17", False),
        ("2026-05", "eb2026-06", True),
        ("2026-05", "lt2026-05-01", False),
        ("2026-05", "lt2026-05-02", True),
        ("2026-05", "le2026-05-31", True),
        ("2026-05", "ne2026-05-17", True),
        ("2026-05-17", "ap2026-05-16", True),
        ("2026-05-17", "ap2026-05-15", False),
        # Ends of years and of February, and a leap second.
        ("2024-02-29", "2024-02", True),
        ("2026-12-31T23:59:59Z", "2026", True),
        ("2026-12-31T23:59:59-01:00", "2027", True),
        ("2016-12-31T23:59:60Z", "2017", True),
        ("9999", "gt2026", True),
        ("0001", "lt2026", True),
    ],
)
def test_a_stored_date_meets_an_asked_one(stored: str, asked: str, expected: bool) -> None:
    for resource in (
        {"resourceType": "Observation", "effectiveDateTime": stored},
        {"resourceType": "Observation", "valueDateTime": stored},
    ):
        param = "date" if "effectiveDateTime" in resource else "value-date"
        assert matches(resource, parse("Observation", [(param, asked)], load()), load()) is expected
