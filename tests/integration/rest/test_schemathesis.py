"""What schemathesis makes of the OpenAPI document: no 5xx, and only what the document says.

https://schemathesis.readthedocs.io
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import Database, _database
from tests.integration.rest.http_server import Address, serving
from tests.patience import PATIENCE_SECONDS

EXAMPLES = 8
SEEDED: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "ann", "gender": "female"},
    {"resourceType": "Observation", "id": "one", "status": "final", "code": {"text": "x"},
     "subject": {"reference": "Patient/ann"}},
]  # fmt: skip


@pytest.fixture(scope="module")
def address(postgres_server: Any, template_database: str) -> Iterator[Address]:
    with contextmanager(_database)(postgres_server, template_database) as database:
        assert isinstance(database, Database)
        with serving(database) as found:
            yield found


@pytest.fixture(scope="module")
def schema(address: Address) -> Any:
    load_all_checks()
    headers = {"authorization": f"Bearer {address.token}"}
    with httpx.Client(base_url=address.base, headers=headers) as client:
        for resource in SEEDED:
            url = f"{resource['resourceType']}/{resource['id']}"
            answer = client.put(
                url, json=resource, headers={"content-type": "application/fhir+json"}
            )
            assert answer.status_code == 201, answer.text
        document = client.get("openapi.json").json()
    found = schemathesis.openapi.from_dict(document)
    found.config.update(base_url=address.base)
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
def test_every_operation_answers_as_documented(
    schema: Any, address: Address, mode: GenerationMode
) -> None:
    headers = {"authorization": f"Bearer {address.token}"}
    asked = 0
    problems: list[str] = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            if mode is GenerationMode.POSITIVE and asked % 2 and "id" in case.path_parameters:
                # Ids that are made up lead nowhere; every other time one that is there.
                case.path_parameters["id"] = "ann"
                if "type" in case.path_parameters:
                    case.path_parameters["type"] = "Patient"
            answer = case.call(headers=headers, timeout=PATIENCE_SECONDS)
            assert answer.status_code < 500
            case.validate_response(
                answer,
                checks=[
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                ],
            )

        try:
            ask()
        except Exception as error:  # noqa: BLE001 - all of them are shown at the end
            problems.append(f"{operation.label}: {str(error)[:1500]}")
    assert problems == [], "\n\n".join(problems)
    assert asked > 100
