"""Refusals as the resource a client is shown: OperationOutcome, built in this one place.

The HTTP status stays with the error class (`fhirserver.kernel.errors`); this file only knows how
problems read.

Spec: https://hl7.org/fhir/R4/operationoutcome.html
"""

from collections.abc import Iterable

from fhirserver.kernel.errors import FhirError, Problem
from fhirserver.kernel.resource import Json

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
        issue["diagnostics"] = problem.message
    if problem.expression:
        issue["expression"] = [problem.expression]
    return issue
