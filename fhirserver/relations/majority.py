"""When a minor comes of age, and with that a guardian's view of the record ends.

A birth date may be a year or a month only (https://hl7.org/fhir/R4/datatypes.html#date): the last day
it can mean counts, so that nobody loses a guardian too early.
"""

from datetime import UTC, date, datetime, time
from typing import Any

from fhirserver.relations.constants import MAJORITY_YEARS
from fhirserver.search.period import as_datetime, parse_span


def majority_of(birth_date: Any) -> datetime | None:
    """Return the instant at which somebody born on `birth_date` (a FHIR date) comes of age.

    The beginning of that day in UTC; None where the date is missing or none.
    """
    born = latest_birth(birth_date)
    return None if born is None else datetime.combine(grown(born, MAJORITY_YEARS), time(), UTC)


def grown(born: date, years: int) -> date:
    """Return the day on which somebody born on `born` is `years` old; 29 February gives 1 March."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)


def latest_birth(text: Any) -> date | None:
    """Return the last day a FHIR date, perhaps partial, can mean; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        after = parse_span(text).hi
    except ValueError:
        return None
    return as_datetime(after - 1).date()
