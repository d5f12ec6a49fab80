"""What this product defines, judged by two validators that are not ours.

`fhir.resources` knows R4B, which has the types of our content as R4 has them; `fhirkit` knows R4
4.0.1. Neither holds anything against it.
"""

import importlib
from typing import Any

import fhirkit
import pytest
from pydantic import ValidationError

from fhirserver.definitions.shipped import own_content
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json

CONTENT = {f"{one['resourceType']}/{one['id']}": one for one in own_content()}


def _by_r4b(resource: Json) -> list[str]:
    type_ = resource["resourceType"]
    model = getattr(importlib.import_module(f"fhir.resources.R4B.{type_.lower()}"), type_)
    try:
        model.model_validate_json(fhir_json.write(resource))
    except ValidationError as error:
        return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    return []


def _by_fhirkit(resource: Json) -> list[str]:
    found: list[Any] = fhirkit.validate(fhir_json.write(resource).decode())
    return [str(one) for one in found if one.severity == "error"]


@pytest.mark.parametrize("name", CONTENT)
def test_others_take_our_content(name: str) -> None:
    assert _by_r4b(CONTENT[name]) == []
    assert _by_fhirkit(CONTENT[name]) == []


@pytest.mark.parametrize("name", CONTENT)
def test_they_do_look_at_it(name: str) -> None:
    damaged = {**CONTENT[name], "status": ["active"], "unheard": True}

    assert _by_r4b(damaged)
    assert _by_fhirkit(damaged)
