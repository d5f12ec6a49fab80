"""A small clinic in a real database, and a resolver that knows the same resources without one."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

import pytest

from fhirserver import definitions
from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Json
from fhirserver.kernel.search_page import SearchPage
from fhirserver.search.aliases import sources
from fhirserver.search.entry import ReferenceEntry
from fhirserver.search.extract import extract
from fhirserver.search.query import Query, parse
from fhirserver.store.record import Record
from fhirserver.terminology import terminology_of
from fhirserver.wire import fhir_json
from tests.conftest import Database
from tests.integration.search.clinic import CLINIC
from tests.integration.store.conftest import Clock, Witness, admin, clock, open_record, witness

__all__ = ["admin", "clock", "witness"]

DEFINITIONS = definitions.load()


@pytest.fixture
async def record(database: Database, witness: Witness, clock: Clock) -> AsyncIterator[Record]:
    async with open_record(database, witness, clock) as one:
        yield one


@pytest.fixture
async def clinic(record: Record) -> Record:
    """The record with everything of `CLINIC` in it."""
    async with record.transaction(1) as tx:
        for one in CLINIC:
            await tx.put(one, id_=one["id"])
    return record


def asked(types: str | Sequence[str], text: str, **more: str) -> Query:
    """Return the query of a URL's query part; in it ``&`` separates, nothing is escaped."""
    pairs = [tuple(part.split("=", 1)) for part in text.split("&") if part]
    pairs += list(more.items())
    return parse(
        types,
        [(name, value) for name, value in pairs],
        DEFINITIONS,
        terminology=terminology_of(DEFINITIONS),
    )


async def find(record: Record, access: Access, type_: str, text: str) -> SearchPage:
    return await record.search(access, asked(type_, text + "&_count=1000"))


async def ids(record: Record, access: Access, type_: str, text: str) -> set[str]:
    return {one.id for one in (await find(record, access, type_, text)).entries}


async def stored(record: Record, access: Access) -> list[Json]:
    """Return all resources of the clinic as they are stored."""
    found = []
    for one in CLINIC:
        version = await record.read(access, one["resourceType"], one["id"])
        found.append(fhir_json.read(version.content))
    return found


@dataclass(frozen=True)
class Known:
    """A `fhirserver.search.match.Resolver` over resources in memory."""

    resources: dict[str, Json]

    @classmethod
    def of(cls, resources: Iterable[Json]) -> "Known":
        return cls({f"{one['resourceType']}/{one['id']}": one for one in resources})

    def target(self, reference: str) -> Json | None:
        return self.resources.get(reference)

    def referrers(self, type_: str, param: str, reference: str) -> Iterable[Json]:
        params = sources(type_, param)
        for one in self.resources.values():
            if one["resourceType"] == type_ and any(
                isinstance(entry, ReferenceEntry)
                and entry.param in params
                and entry.target == reference
                for entry in extract(one, DEFINITIONS)
            ):
                yield one

    def list_items(self, id_: str) -> Iterable[str]:
        entries = self.resources.get(f"List/{id_}", {}).get("entry", ())
        return [one["item"]["reference"] for one in entries if not one.get("deleted", False)]
