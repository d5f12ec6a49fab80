"""How the doors for messages fare: those of HL7 v2 by profile, kind and outcome, dead letters by door and reason, and how
many connections are open.

Read by the scanning role. Nothing here names a patient: a sender is known by its name in the site's files, and a kind that
no mapping takes, which anybody may make up, is ``other``.
"""

from typing import Final, LiteralString, NamedTuple

# Of one tenant, received since a moment.
MESSAGES: Final[LiteralString] = (
    "SELECT split_part(sender, '|', 1), CASE WHEN reason = 'unsupported' THEN 'other' ELSE kind END, outcome, count(*) "
    "FROM hl7_message WHERE tenant = %s AND received > %s GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)
# Of one tenant, not replayed.
LETTERS: Final[LiteralString] = (
    "SELECT door, reason, count(*) FROM dead_letter WHERE tenant = %s AND replayed IS NULL GROUP BY 1, 2 ORDER BY 1, 2"
)


# Of one tenant, by whoever has said so since a moment.
LINES: Final[LiteralString] = (
    "SELECT side, place, sum(open) FROM interface_line WHERE tenant = %s AND at > %s GROUP BY 1, 2 ORDER BY 1, 2"
)


class LineCount(NamedTuple):
    """How many connections are open: ``in`` at a port of ours, ``out`` to a receiver's host and port."""

    side: str
    place: str
    open: int


class MessageCount(NamedTuple):
    """How many messages of one sender and kind ended this way."""

    sender: str
    kind: str
    outcome: str
    number: int


class LetterCount(NamedTuple):
    """How many dead letters of one door and reason there are."""

    door: str
    reason: str
    number: int
