"""Parameters as answers of operations."""

from fhirserver.interactions.parameters import parameters
from fhirserver.validation import validate


def test_an_answer_is_a_valid_resource() -> None:
    body = parameters(("kind", "valueCode", "patient"), ("count", "valueInteger", 3))

    assert validate(body) == []
    assert body["parameter"][0] == {"name": "kind", "valueCode": "patient"}
