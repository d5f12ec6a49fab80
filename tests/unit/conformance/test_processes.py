import pytest

from conformance.load.processes import purpose


@pytest.mark.parametrize(
    ("name", "command", "expected"),
    [
        ("postgres", ["postgres: checkpointer"], "postgres"),
        ("nats-server", ["/x/nats-server", "-c", "f"], "nats-server"),
        ("python", ["python", "-m", "fhirserver", "serve"], "supervisor"),
        (
            "python",
            ["p", "-m", "fhirserver", "worker", "--roles", "api,engine"],
            "worker api+engine",
        ),
        ("python", ["p", "worker", "--roles=ingest"], "worker ingest"),
        ("sh", ["sh"], "sh"),
    ],
)
def test_a_process_is_named_by_what_it_is_for(name: str, command: list[str], expected: str) -> None:
    assert purpose(name, command) == expected
