"""Plain R4 Subscriptions: `criteria` is a search (``Observation?code=x``) and there is no topic.

https://hl7.org/fhir/R4/subscription.html. What clients that know nothing of topics write. Inside,
it is a Subscription to the topic of all changes with one filter; it tells of resources that come to
meet the criteria or are changed and meet them, never of deletions.
"""

import re
from typing import Final

_CRITERIA: Final = re.compile(r"([A-Z][A-Za-z]{1,63})(?:\?.*)?", re.DOTALL)


def is_plain(criteria: str) -> bool:
    """Return whether `criteria` is a search instead of the canonical URL of a topic."""
    return _CRITERIA.fullmatch(criteria) is not None
