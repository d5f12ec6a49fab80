"""OperationOutcome: what a refusal reads like."""

import pytest

from fhirserver.kernel.errors import BadRequest, FhirError, NotFound, Problem, Unprocessable
from fhirserver.kernel.outcome import INTERNAL, outcome, outcome_of
from fhirserver.validation import validate


def test_every_problem_becomes_an_issue_with_its_place() -> None:
    error = Unprocessable(
        "invalid",
        problems=[
            Problem("error", "required", "Observation.status", "status is missing"),
            Problem("warning", "code-invalid", "", "unknown code"),
        ],
    )

    assert outcome_of(error) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "required",
                "diagnostics": "status is missing",
                "expression": ["Observation.status"],
            },
            {"severity": "warning", "code": "code-invalid", "diagnostics": "unknown code"},
        ],
    }


@pytest.mark.parametrize("error", [BadRequest("x"), NotFound("y", expression="Patient.id")])
def test_an_outcome_is_a_valid_resource(error: FhirError) -> None:
    assert validate(outcome_of(error)) == []


def test_our_own_fault_is_a_valid_resource_too() -> None:
    assert validate(outcome([INTERNAL])) == []


def test_an_outcome_without_issue_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="issue"):
        outcome([])
