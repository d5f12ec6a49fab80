"""Random resources and random searches: SQL finds what the in-memory matcher finds, for every kind of caller."""

from contextlib import suppress
from random import Random

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from fhirserver.auth import visible
from fhirserver.kernel.errors import BadRequest, TooCostly
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json
from fhirserver.search.entry import Entry
from fhirserver.search.extract import entries_of
from fhirserver.search.match import matches
from fhirserver.search.query import Query, parse
from fhirserver.store.record import Record
from fhirserver.wire import fhir_json
from tests.integration.search.conftest import DEFINITIONS, Known
from tests.properties.search_requests import Requests
from tests.properties.search_samples import RESOURCES
from tests.properties.search_surroundings import LISTS, PARAMETERS, Terminology

SEED = 6
# Sets of resources, each in a tenant of its own, and searches of each set.
ROUNDS = 15
SEARCHES = 40
_EVERY_LIST: list[Json] = [
    {
        "resourceType": "List",
        "id": id_,
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": one}} for one in items],
    }
    for id_, items in LISTS.items()
]


def _resources() -> list[list[Json]]:
    """Random sets of resources in which several of every type refer to each other."""
    drawn: list[list[Json]] = []
    types = [*RESOURCES, *RESOURCES, "Patient", "Observation", "Observation", "Observation"]

    @seed(SEED)
    @settings(max_examples=ROUNDS * 2, deadline=None, database=None, phases=(Phase.generate,))
    @given(st.tuples(*(RESOURCES[type_] for type_ in types)))
    def draw(made: tuple[Json, ...]) -> None:
        drawn.append(list({(one["resourceType"], one["id"]): one for one in made}.values()))

    draw()
    # The first ones that Hypothesis makes are the poorest.
    return drawn[-ROUNDS:]


def _callers(tenant: int) -> tuple[Access, ...]:
    def related(*patients: str) -> Access:
        nurse = Principal(tenant, "practitioner", "Practitioner/nurse")
        return Access(nurse, everything=False, patients=frozenset(patients))

    everybody = Access(Principal(tenant, "admin", ""), everything=True)
    return everybody, everybody, everybody, related("ann"), related("bob", "cy")


async def _stored(record: Record, access: Access, made: list[Json]) -> list[Json]:
    """Put everything into the record; return it as it is stored."""
    async with record.transaction(access.principal.tenant) as tx:
        for one in made:
            await tx.put(one, id_=one["id"])
    versions = [await record.read(access, one["resourceType"], one["id"]) for one in made]
    return [fhir_json.read(version.content) for version in versions]


def _readable(access: Access, resource: Json) -> bool:
    return visible(access, resource["resourceType"], fhir_json.write(resource))


def _asked(dice: Random, requests: Requests, type_: str) -> tuple[list[tuple[str, str]], Query]:
    """A random search that the parser understands."""
    while True:
        count = 1 if dice.random() < 0.8 else 2
        pairs = [requests.pair(type_, dice.choice(("ann", "bob", "cy"))) for _ in range(count)]
        with suppress(BadRequest):
            every = [*pairs, ("_count", "1000")]
            return pairs, parse(type_, every, DEFINITIONS, terminology=Terminology())


async def test_random_searches_of_random_resources(
    record: Record, subtests: pytest.Subtests
) -> None:
    found = refused = 0
    for number, made in enumerate(_resources()):
        tenant = await record.ensure_tenant(f"random-{number}")
        callers = _callers(tenant)
        stored = await _stored(record, callers[0], [*made, *_EVERY_LIST])
        entries: list[Entry] = [one for given in stored for one in entries_of(given, DEFINITIONS)]
        for search in range(SEARCHES):
            dice = Random(f"{SEED}/{number}/{search}")
            type_ = dice.choice(("Patient", "Observation", *RESOURCES))
            pairs, query = _asked(dice, Requests(dice, PARAMETERS, entries), type_)
            access = dice.choice(callers)
            seen = [one for one in stored if _readable(access, one)]
            known = Known.of(seen)
            wanted = {one["id"] for one in seen if matches(one, query, DEFINITIONS, known)}
            try:
                page = await record.search(access, query)
            except TooCostly:
                refused += 1
                continue
            with subtests.test(
                seed=SEED, round=number, search=search, type=type_, pairs=pairs, of=access.patients
            ):
                assert {one.id for one in page.entries} == wanted
            found += bool(wanted)
    assert found > ROUNDS * SEARCHES // 10
    # A chain through a reference to anything follows every type.
    assert refused < ROUNDS * SEARCHES // 100
