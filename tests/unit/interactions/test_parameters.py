"""Parameters in and out of operations."""

import pytest

from fhirserver.interactions.parameters import parameters, values
from fhirserver.kernel.errors import BadRequest
from fhirserver.validation import validate

ALLOWED = frozenset({"kind", "count"})


def test_values_by_name() -> None:
    body = parameters(("kind", "valueCode", "patient"), ("count", "valueInteger", 3))

    assert validate(body) == []
    assert values(body, ALLOWED) == {"kind": "patient", "count": 3}


def test_no_body_has_no_values() -> None:
    assert values(None, ALLOWED) == {}
    assert values({"resourceType": "Parameters"}, ALLOWED) == {}


def test_a_name_is_given_once() -> None:
    body = parameters(("kind", "valueCode", "patient"), ("kind", "valueCode", "admin"))

    with pytest.raises(BadRequest) as refusal:
        values(body, ALLOWED)

    assert refusal.value.problems[0].expression == "Parameters.parameter[1]"


@pytest.mark.parametrize(
    "parameter",
    [
        {"name": "other", "valueCode": "x"},
        {"name": "kind"},
        {"name": "kind", "valueCode": "x", "valueString": "x"},
        {"name": ["kind"], "valueCode": "x"},
        {"valueCode": "x"},
        "kind",
        None,
    ],
)
def test_parameters_that_are_none(parameter: object) -> None:
    with pytest.raises(BadRequest):
        values({"resourceType": "Parameters", "parameter": [parameter]}, ALLOWED)
