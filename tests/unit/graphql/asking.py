"""A small record that answers searches, and a way to ask it in GraphQL."""

import asyncio
from typing import Any

from fhirserver.auth import visible
from fhirserver.definitions import load
from fhirserver.interactions.context import Context
from fhirserver.interactions.graphql.run import Asked, run
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.search_page import SearchPage
from fhirserver.search.match import matches
from fhirserver.wire import fhir_json
from tests.unit.rest.memory_record import MemoryRecord

ADMIN = Access(Principal(1, "admin", ""), everything=True)
NURSE = Access(Principal(1, "practitioner", "Practitioner/nina"), False, frozenset({"ann"}))
DEVICE = Access(Principal(1, "device", "Device/pump"), everything=False)


class SearchedRecord(MemoryRecord):
    """Finds what the in-memory matcher finds; pages by position."""

    async def search(self, access: Access, query: Any) -> SearchPage:
        self.searched.append(query)
        found = [
            versions[-1]
            for versions in self.versions.values()
            if not versions[-1].deleted
            and visible(access, versions[-1].type, versions[-1].content)
            and matches(fhir_json.read(versions[-1].content), query, load())
        ]
        start = int(query.cursor_key or 0)
        page = found[start : start + query.count]
        more = start + len(page) < len(found)
        total = len(found) if query.total == "accurate" else None
        cursor = str(start + len(page)) if more else None
        return SearchPage(tuple(page), total=total, cursor=cursor)


def patient(id_: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id_,
        "name": [
            {"use": "official", "family": id_.title(), "given": ["A", "B"]},
            {"use": "nickname", "given": [id_]},
        ],
        "generalPractitioner": [{"reference": "Practitioner/nina"}],
        **more,
    }


def observation(id_: str, of: str, value: str = "120", **more: Any) -> dict[str, Any]:
    text = f"""{{
        "resourceType": "Observation", "id": "{id_}", "status": "final",
        "code": {{"coding": [{{"system": "http://loinc.org", "code": "8480-6"}}]}},
        "subject": {{"reference": "Patient/{of}"}},
        "valueQuantity": {{"value": {value}, "unit": "mmHg"}}
    }}"""
    return {**fhir_json.read(text.encode()), **more}


def record() -> SearchedRecord:
    """Ann with three observations, Joe with one, and their practitioner."""
    made = SearchedRecord()
    made.add({"resourceType": "Practitioner", "id": "nina", "name": [{"family": "N"}]})
    made.add(
        patient("ann", birthDate="1961-04-02", _birthDate={"extension": [{"url": "http://x"}]})
    )
    made.add(patient("joe", active=True))
    for number in range(3):
        made.add(observation(f"o{number}", "ann", f"12{number}.50"))
    made.add(observation("p0", "joe"))
    return made


def ask(
    query: str,
    type_: str = "",
    id_: str = "",
    *,
    access: Access = ADMIN,
    store: SearchedRecord | None = None,
    variables: dict[str, Any] | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Return the whole GraphQL answer."""
    made: Any = store or record()
    observer: Any = None
    context = Context(access, made, load(), observer, "http://test/fhir")
    return asyncio.run(run(context, Asked(query, variables or {}, name), type_, id_))


def data(query: str, *given: Any, **more: Any) -> Any:
    """Return the data of an answer without errors."""
    answer = ask(query, *given, **more)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]
