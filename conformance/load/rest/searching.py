"""Search: first every count of the reference set is compared with the truth, then clients walk the set for a while."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import orjson

from conformance.load.rest.clients import Client, Measured, UnexpectedError, run
from conformance.load.rest.http import Connection, Target
from conformance.load.rest.population import METRICS, Person, identifier, person
from conformance.load.rest.search_set import expected, searches

PAGE: Final = 20
# Patients whose ids are looked up, for searches by reference.
HARVESTED: Final = 40
TELEMETRY: Final = "patient, code, date, newest first"
_ENTRY: Final = b'"fullUrl"'
_SAFE: Final = "/?&=$,:-._~"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One search to run, and how many hits it has."""

    kind: str
    url: str
    hits: int


async def prepare(
    target: Target, *, patients: int, say: Callable[[str], None]
) -> tuple[Wanted, ...]:
    """Return the searches with their true counts, after the server was asked for each count.

    Raises `UnexpectedError` naming every search whose count is wrong.
    """
    say(f"  counting what {patients} patients must be found by")
    known = searches()
    counts = expected((person(number) for number in range(patients)), known)
    wanted = [
        Wanted(one.kind, quote(one.url, safe=_SAFE), hits)
        for one, hits in zip(known, counts, strict=True)
    ]
    measured = Measured()
    connection = await Connection.open(target)
    try:
        client = Client(connection, measured)
        wanted += await _harvest(client, patients)
        wrong = [text for one in wanted if (text := await _difference(client, one))]
    finally:
        connection.close()
    if wrong:
        raise UnexpectedError("wrong numbers of hits:\n  " + "\n  ".join(wrong))
    say(f"  {len(wanted)} searches have the right number of hits")
    return tuple(wanted)


async def search(
    target: Target, wanted: tuple[Wanted, ...], *, clients: int, seconds: float, kind: str = ""
) -> Measured:
    """Return what `clients` measured walking the set in an order of their own; `kind` keeps one kind only.

    Raises `UnexpectedError` when a page has another number of hits than it must have.
    """
    walked = [one for one in wanted if not kind or one.kind == kind]

    async def work(client: Client, number: int, going_on: Callable[[], bool]) -> None:
        order = random.Random(number).sample(walked, len(walked))
        while True:
            for one in order:
                if not going_on():
                    return
                await _page(client, one)

    return await run(target, clients, work, seconds=seconds)


async def _harvest(client: Client, patients: int) -> list[Wanted]:
    found: list[Wanted] = []
    for number in random.Random(0).sample(range(patients), min(HARVESTED, patients)):
        answer = await client.ask("harvest", "GET", f"/Patient?identifier={identifier(number)}")
        entries = answer.json().get("entry")
        if not isinstance(entries, list) or len(entries) != 1:
            raise UnexpectedError(f"patient {identifier(number)} is not there once")
        found += _of_one(person(number), entries[0]["resource"]["id"])
    return found


def _of_one(one: Person, id_: str) -> list[Wanted]:
    metric = METRICS[one.number % len(METRICS)]
    since = min(visit.start for visit in one.visits).date().replace(month=6, day=1)
    recent = [
        each for each in one.measurements if each.code == metric.code and each.taken.date() >= since
    ]
    return [
        Wanted("reference subject", f"/Observation?subject=Patient/{id_}", len(one.measurements)),
        Wanted("reference subject", f"/Encounter?subject=Patient/{id_}", len(one.visits)),
        Wanted("reference subject", f"/MedicationRequest?subject=Patient/{id_}", len(one.requests)),
        Wanted(
            TELEMETRY,
            f"/Observation?patient={id_}&code={metric.code}&date=ge{since}&_sort=-date",
            len(recent),
        ),
    ]


async def _difference(client: Client, one: Wanted) -> str:
    answer = await client.ask("count", "GET", f"{one.url}&_summary=count")
    total = answer.json().get("total")
    return "" if total == one.hits else f"{one.url}: {total}, should be {one.hits}"


async def _page(client: Client, one: Wanted) -> None:
    answer = await client.ask(one.kind, "GET", f"{one.url}&_count={PAGE}")
    content, hits = answer.content(), min(PAGE, one.hits)
    # Nothing in the population has that name inside. Where the quick count differs, the bundle itself tells.
    if content.count(_ENTRY) == hits:
        return
    entries = orjson.loads(content).get("entry", [])
    if not isinstance(entries, list) or len(entries) != hits:
        raise UnexpectedError(f"{one.url} has {one.hits} hits, its first page {entries!r:.100}")
