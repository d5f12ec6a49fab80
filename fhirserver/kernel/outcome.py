"""Refusals as the resource a client is shown: OperationOutcome, built in this one place.

The HTTP status stays with the error class (`fhirserver.kernel.errors`); this file only knows how
problems read.

Spec: https://hl7.org/fhir/R4/operationoutcome.html
"""

import re
from collections.abc import Iterable
from typing import Final

from fhirserver.kernel.errors import FhirError, Problem
from fhirserver.kernel.resource import Json

MAX_SHOWN: Final = 2000
"""Longest text of an issue in characters, so that an answer is never as long as a bad request."""

_UNSHOWN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

INTERNAL = Problem(
    "fatal",
    "exception",
    "",
    "The server failed to answer. Nothing about the cause is told here; quote the request id.",
)


def outcome(problems: Iterable[Problem]) -> Json:
    """Return the OperationOutcome with one issue per problem; `problems` must not be empty."""
    issues = [_issue(problem) for problem in problems]
    if not issues:
        message = "an OperationOutcome needs at least one issue"
        raise ValueError(message)
    return {"resourceType": "OperationOutcome", "issue": issues}


def outcome_of(error: FhirError) -> Json:
    """Return the OperationOutcome that tells a caller about `error`."""
    return outcome(error.problems)


def _issue(problem: Problem) -> Json:
    issue: Json = {"severity": problem.severity, "code": problem.code}
    if problem.message:
        issue["diagnostics"] = _shown(problem.message)
    if problem.expression:
        issue["expression"] = [_shown(problem.expression)]
    return issue


def _shown(text: str) -> str:
    """Return `text` as every format can carry it; a message may repeat what somebody sent."""
    clipped = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."
    return _UNSHOWN.sub("\ufffd", clipped)
