"""What the status of an endpoint's answer means for the parcel."""

from typing import Final

from subscriptions.channels.channel import Failure
from subscriptions.channels.egress import Answer

# The receiver has understood and will not take this content; another event may be welcome.
_NEVER_THIS: Final = (413, 422)
_GONE: Final = 410


def failure_of(answer: Answer) -> Failure | None:
    """Return None for 2xx; everything else, a redirect too, is a failure.

    Statuses that mostly tell of a receiver set up wrongly (401, 403, 404, 415 ...) are tried again:
    its operator can mend it, and no event may be lost until then.
    """
    if 200 <= answer.status < 300:
        return None
    reason = f"answered {answer.status}"
    if answer.status in _NEVER_THIS:
        return Failure(reason, "never-this")
    if answer.status == _GONE:
        return Failure(reason, "never-here")
    return Failure(reason, wait_seconds=answer.retry_after)
