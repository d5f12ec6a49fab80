"""What happened, told in log lines an operator can follow: ids and codes, never a person's data."""

from typing import Any, Protocol

import structlog


class Story(Protocol):
    """Tells one thing that happened."""

    def __call__(self, event: str, **facts: Any) -> None:
        """Tell `event`; `facts` are ids, codes, times and counts only."""


def story(*, aloud: bool) -> Story:
    """Return a teller: at level info when `aloud` (demonstrations), else at debug."""
    log = structlog.get_logger("story")

    def tell(event: str, **facts: Any) -> None:
        (log.info if aloud else log.debug)(event, **facts)

    return tell
