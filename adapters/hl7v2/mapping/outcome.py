"""What a rule may yield besides a value: nothing at all, or the sender's order to delete."""

import enum
from typing import Any, Final


class Nothing(enum.Enum):
    """ABSENT: the message says nothing. NULL: it says that what is known shall go."""

    ABSENT = "absent"
    NULL = "null"


ABSENT: Final = Nothing.ABSENT
NULL: Final = Nothing.NULL


def is_value(found: Any) -> bool:
    """Return whether `found` is something that can stand in a resource."""
    return not isinstance(found, Nothing)
