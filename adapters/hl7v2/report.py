"""What became of a message besides its effect: what was left unread, what was refused of it, what to warn about. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from fhirserver.wire.hl7v2.acknowledgement import Fault

_LONGEST: Final = 60
_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class RefusedPart:
    """A measure that could not be taken: why (a dead letter's reason), and the code it was sent with."""

    reason: str
    code: str


@dataclass(slots=True)
class Report:
    """Gathered while a message is read; what is said twice counts once.

    `unread` names segments (``ZPI``), fields (``PID-22``), codes (``158824 MDC_...``) and table entries nobody asked for.
    """

    unread: dict[str, None] = field(default_factory=dict)
    refused: dict[RefusedPart, None] = field(default_factory=dict)
    warnings: dict[Fault, None] = field(default_factory=dict)

    def leave(self, what: str) -> None:
        """Note that `what` is not read by any rule."""
        if len(self.unread) < _MOST:
            self.unread[what[:_LONGEST]] = None

    def refuse(self, reason: str, code: str) -> None:
        """Note that the measure `code` could not be taken."""
        if len(self.refused) < _MOST:
            self.refused[RefusedPart(reason, code[:_LONGEST])] = None

    def warn(self, fault: Fault) -> None:
        """Note what the sender should know, although its message was taken."""
        if len(self.warnings) < _MOST:
            self.warnings[fault] = None

    def leave_all(self, these: Iterable[str]) -> None:
        """Note several things nobody reads."""
        for one in these:
            self.leave(one)
