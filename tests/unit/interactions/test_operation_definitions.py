"""The OperationDefinitions that ship say what the operations take, and are valid."""

import json
from pathlib import Path

import pytest

import fhirserver.interactions.operation_definitions
from fhirserver.interactions.operations import OPERATIONS
from fhirserver.kernel.canonical import BASE
from fhirserver.validation import validate

FOLDER = Path(next(iter(fhirserver.interactions.operation_definitions.__path__)))
FILES = sorted(FOLDER.glob("OperationDefinition-*.json"))
BY_CODE = {one.code: one for one in OPERATIONS}


@pytest.mark.parametrize("file", FILES, ids=[one.stem for one in FILES])
def test_a_definition_is_of_an_operation_as_it_is(file: Path) -> None:
    found = json.loads(file.read_text())
    assert not [one for one in validate(found) if one.severity in ("error", "fatal")]
    operation = BY_CODE[found["code"]]
    assert found["url"] == f"{BASE}OperationDefinition/{operation.code}"
    assert found["affectsState"] == operation.affects_state
    assert {one for one in ("system", "type", "instance") if found[one]} == operation.levels
    assert frozenset(found.get("resource", ())) == (operation.types or frozenset())
    taken = {
        one["name"]: (one["type"], one["min"], one["max"])
        for one in found.get("parameter", ())
        if one["use"] == "in"
    }
    assert taken == {
        one.name: (one.type, one.least, "*" if one.most is None else str(one.most))
        for one in operation.inputs
    }


def test_every_operation_on_relationships_has_one() -> None:
    modules = {"break_glass", "guardians", "invitations", "team_members"}
    wanted = {one.code for one in OPERATIONS if one.run.__module__.rpartition(".")[2] in modules}
    assert wanted
    assert wanted <= {json.loads(one.read_text())["code"] for one in FILES}
