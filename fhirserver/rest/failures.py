"""Our own faults: the operator learns the cause, the caller learns that there was one.

Messages of exceptions can carry what the record holds (a database quotes the row it refused), so
the log names the classes and the places in the code, and no message.
"""

from traceback import walk_tb

import structlog

from fhirserver.kernel.outcome import INTERNAL
from fhirserver.rest import replies
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import Scope

_log = structlog.get_logger("fhirserver.rest")
_FRAMES = 12


def failed(error: BaseException, scope: Scope) -> Reply:
    """Log `error` with the request's id and return the 500 answer."""
    _log.error(
        "request failed",
        request_id=scope.get("state", {}).get("request_id", ""),
        method=scope.get("method", ""),
        cause=_causes(error),
        where=_frames(error),
    )
    return replies.failure(INTERNAL)


def _causes(error: BaseException) -> list[str]:
    names: list[str] = []
    current: BaseException | None = error
    while current is not None and len(names) < _FRAMES:
        names.append(f"{type(current).__module__}.{type(current).__qualname__}")
        current = current.__cause__ or current.__context__
    return names


def _frames(error: BaseException) -> list[str]:
    frames = [
        f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}:{line}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    return frames[-_FRAMES:]
