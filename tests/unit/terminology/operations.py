"""Runs operations over a store of a few resources, as an administrator or with less access."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fhirserver.definitions import Definitions
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import Operation, perform
from fhirserver.kernel.errors import NotFound
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Stored
from fhirserver.wire import fhir_json
from tests.unit.terminology.loaded import animals, definitions, value_set

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ADMIN = Access(Principal(1, "admin", ""), everything=True)
NURSE = Access(Principal(1, "practitioner", "Practitioner/nina"), everything=False)
DEVICE = Access(Principal(1, "device", "Device/pump"), everything=False)


class FewResources:
    """A `RecordStore` as far as these operations need one."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        self._stored = {
            (one["resourceType"], one["id"]): Stored(
                one["resourceType"], one["id"], 1, NOW, deleted=False, content=fhir_json.write(one)
            )
            for one in resources
        }

    def now(self) -> datetime:
        return NOW

    async def read(self, _access: Access, type_: str, id_: str) -> Stored:
        found = self._stored.get((type_, id_))
        if found is None:
            raise NotFound("in the store's own words")
        return found


def context(
    access: Access = ADMIN, stored: Sequence[dict[str, Any]] = (), known: Definitions | None = None
) -> Context:
    loaded = known or definitions(animals(), value_set("mammals", MAMMALS), *stored)
    store: Any = FewResources(*stored)
    observer: Any = None
    return Context(access, store, loaded, observer, "http://test/fhir")


MAMMALS = {
    "system": "http://example.org/CodeSystem/animals",
    "filter": [{"property": "concept", "op": "is-a", "value": "mammal"}],
}


def run(
    operation: Operation,
    type_: str,
    query: dict[str, str] | None = None,
    body: dict[str, Any] | None = None,
    id_: str = "",
    *,
    given: Context | None = None,
) -> dict[str, Any]:
    """Return the answer of one call."""
    pairs = list((query or {}).items())
    answer = asyncio.run(
        perform(operation, given or context(), type_, id_, pairs, body, operation.run)
    )
    assert answer.status == 200
    assert answer.resource is not None
    return answer.resource


def parameters(**values: Any) -> dict[str, Any]:
    """Return a Parameters resource; a key is "name" or "name__valueX"."""
    rows = []
    for key, value in values.items():
        name, _, element = key.partition("__")
        rows.append({"name": name, element or "valueString": value})
    return {"resourceType": "Parameters", "parameter": rows}


def values(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the primitive values of a Parameters resource by name."""
    return {
        row["name"]: next(value for key, value in row.items() if key.startswith("value"))
        for row in answer["parameter"]
        if "part" not in row
    }
