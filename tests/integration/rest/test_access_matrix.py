"""The access matrix: every caller x every resource x every read path and every write, held against the oracle."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import httpx
import pytest

from fhirserver.kernel.resource import Json
from tests.conftest import Database
from tests.integration.rest.access_cast import CAST, CELLS, RESOURCES
from tests.integration.rest.access_house import furnished, shown
from tests.integration.rest.conftest import JSON, put
from tests.oracles.access_oracle import Cell, Who, allowed

FHIR = {"content-type": JSON}
TYPES = sorted({one.type for one in CELLS})
# The parameter by which a type names its patient.
ABOUT = {
    "Observation": "patient", "Flag": "patient", "Condition": "patient", "CareTeam": "patient", "Task": "patient",
    "Communication": "patient", "DeviceUseStatement": "patient", "Device": "patient", "RelatedPerson": "patient",
    "Provenance": "patient", "Consent": "patient", "Appointment": "patient",
}  # fmt: skip


@dataclass(frozen=True)
class Path:
    """A way to one cell: `url` (None: there is none to this cell), what shows it, what a caller needs for that."""

    name: str
    url: Callable[[Cell], str | None]
    needs: Callable[[Who, Cell], bool]
    shows: Callable[[Cell, Json], bool] = lambda cell, answer: cell.ref in shown(answer)


# What R4 does not count among a patient's compartment.
OUTSIDE = {"Device", "Task"}


def _about(cell: Cell) -> str | None:
    return ABOUT.get(cell.type) if len(cell.of) == 1 else None


def _patient(cell: Cell) -> Cell:
    (of,) = cell.of
    return next(one for one in CELLS if one.ref == f"Patient/{of}")


def reads(who: Who, cell: Cell) -> bool:
    return allowed(who, cell, "read")


def searches(who: Who, cell: Cell) -> bool:
    # In SQL a resource of several patients is for administrators and programs: a read shows it, a search does not.
    if len(cell.of) > 1 and not _wide(who):
        return False
    return reads(who, cell) and allowed(who, cell, "search")


def _wide(who: Who) -> bool:
    return who.kind == "client" or (who.kind == "admin" and who.name != "admin's app of ann")


def _both(who: Who, cell: Cell) -> bool:
    return searches(who, cell) and searches(who, _patient(cell))


def _inside(who: Who, cell: Cell) -> bool:
    return cell.type not in OUTSIDE and searches(who, cell)


def _with(make: Callable[[Cell, str, str], str]) -> Callable[[Cell], str | None]:
    def url(cell: Cell) -> str | None:
        about = _about(cell)
        return None if about is None else make(cell, about, next(iter(cell.of)))

    return url


PATHS = (
    Path("read", lambda cell: cell.ref, reads),
    Path("vread", lambda cell: f"{cell.ref}/_history/1", reads),
    Path("history", lambda cell: f"{cell.ref}/_history", reads),
    Path("meta", lambda cell: f"{cell.ref}/$meta", reads, lambda _, answer: answer["resourceType"] == "Parameters"),
    Path("id", lambda cell: f"{cell.type}?_id={cell.id}", searches),
    Path("filter", lambda cell: f"{cell.type}?_filter=_id eq {cell.id}", searches),
    Path("negated", lambda cell: f"{cell.type}?_filter=not (_id eq nothing)", searches),
    Path(
        "total",
        lambda cell: f"{cell.type}?_id={cell.id}&_summary=count",
        searches,
        lambda _, answer: answer.get("total") == 1,
    ),
    Path(
        "accurate total",
        lambda cell: f"{cell.type}?_id={cell.id}&_total=accurate&_count=0",
        searches,
        lambda _, answer: answer.get("total") == 1,
    ),
    Path("by patient", _with(lambda cell, about, of: f"{cell.type}?{about}={of}"), searches),
    Path("compartment", _with(lambda cell, _, of: f"Patient/{of}/{cell.type}?_id={cell.id}"),
         lambda who, cell: _inside(who, cell) and reads(who, _patient(cell))),
    Path("chain", _with(lambda cell, about, of: f"{cell.type}?{about}:Patient._id={of}&_id={cell.id}"), _both),
    Path(
        "has",
        _with(lambda cell, about, of: f"Patient?_id={of}&_has:{cell.type}:{about}:_id={cell.id}"),
        _both,
        lambda _, answer: bool(answer.get("entry")),
    ),
    Path("revinclude", _with(lambda cell, about, of: f"Patient?_id={of}&_revinclude={cell.type}:{about}"),
         lambda who, cell: reads(who, cell) and searches(who, _patient(cell))),
    Path(
        "include",
        _with(lambda cell, about, _: f"{cell.type}?_id={cell.id}&_include={cell.type}:{about}"),
        lambda who, cell: searches(who, cell) and reads(who, _patient(cell)),
        lambda cell, answer: _patient(cell).ref in shown(answer),
    ),
    Path("everything", _with(lambda _, __, of: f"Patient/{of}/$everything?_count=1000"),
         lambda who, cell: reads(who, _patient(cell)) and _inside(who, cell)),
)  # fmt: skip


def _batch(urls: Sequence[str], kind: str) -> Json:
    entries = [{"request": {"method": "GET", "url": one}} for one in urls]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def _resources(bundle: Json) -> Iterator[Json]:
    for entry in bundle["entry"]:
        yield entry.get("resource") or {"resourceType": ""}


async def by_path(client: httpx.AsyncClient, path: Path) -> dict[str, bool]:
    """What one path shows, cell by cell, each entry of a batch judged by itself."""
    urls = {cell: url for cell in CELLS if (url := path.url(cell)) is not None}
    each = list(dict.fromkeys(urls.values()))
    answer = await client.post("", json=_batch(each, "batch"), headers=FHIR)
    assert answer.status_code == 200, answer.text
    told = dict(zip(each, _resources(answer.json()), strict=True))
    return {cell.ref: path.shows(cell, told[url]) for cell, url in urls.items()}


async def collected(client: httpx.AsyncClient) -> dict[str, dict[str, bool]]:
    """What the paths show that bring many at once."""
    found: dict[str, set[str]] = {"type": set(), "form": set(), "type history": set()}
    for type_ in TYPES:
        for name, answer in (
            ("type", await client.get(f"{type_}?_count=1000")),
            ("form", await client.post(f"{type_}/_search", data={"_count": "1000"})),
            ("type history", await client.get(f"{type_}/_history?_count=1000")),
        ):
            assert answer.status_code in (200, 403), (name, type_, answer.text)
            found[name] |= shown(answer.json())
    answer = await client.get("?_count=1000")
    assert answer.status_code in (200, 403)
    found["system"] = shown(answer.json())
    answer = await client.get("_history?_count=1000")
    assert answer.status_code in (200, 403)
    found["system history"] = shown(answer.json())
    return {name: {one.ref: one.ref in refs for one in CELLS} for name, refs in found.items()}


def wrong(
    who: Who, name: str, found: dict[str, bool], needs: Callable[[Who, Cell], bool]
) -> Iterable[str]:
    for cell in CELLS:
        if cell.ref in found and found[cell.ref] != needs(who, cell):
            yield f"{who.name}: {name} {cell.ref} shown={found[cell.ref]}"


@pytest.mark.slow
async def test_every_read_path_shows_what_the_oracle_says(shared_database: Database) -> None:
    errors: list[str] = []
    cells = 0
    async with furnished(shared_database) as house:
        for who in CAST:
            client = house.of(who)
            for path in PATHS:
                found = await by_path(client, path)
                cells += len(found)
                errors += wrong(who, path.name, found, path.needs)
            for name, found in (await collected(client)).items():
                cells += len(found)
                errors += wrong(who, name, found, searches)
    print(f"{cells} cells, {len(errors)} wrong")
    assert not errors, "\n".join(errors[:60])
    assert cells > 25_000


WRITERS: Final = (
    "admin", "nurse", "viewer", "stranger", "rescuer", "technician", "nurse for machines", "office", "partner",
    "guardian", "patient", "device", "program reads", "program writes", "app of ann", "app of joe",
    "writer without reading",
)  # fmt: skip
# Who writes a CareTeam, and what an AuditEvent is, have rules of their own; a Patient has no id before it is made.
_NOT_WRITTEN: Final = {"CareTeam"}
_SPEAKER: Final = {"Communication": "sender"}


async def written(client: httpx.AsyncClient, admin: httpx.AsyncClient, who: Who) -> list[str]:
    """Try every write of every cell, and return what came out otherwise than the oracle says."""
    errors: list[str] = []

    def hold(cell: Cell, verb: str, answer: httpx.Response, expected: bool, done: bool) -> None:
        right = (403, 404) if verb != "delete" else (204, 403, 404)
        fine = done == expected and (done or answer.status_code in right)
        if not fine:
            errors.append(
                f"{who.name}: {verb} {cell.ref} {answer.status_code}, expected {expected}"
            )

    for cell, resource in zip(CELLS, RESOURCES, strict=True):
        if cell.type in _NOT_WRITTEN or "joe" in cell.id:
            continue
        reads_it = allowed(who, cell, "read")
        answer = await put(client, resource)
        may = reads_it and allowed(who, cell, "update")
        hold(cell, "update", answer, may, answer.is_success)
        merge = {"content-type": "application/merge-patch+json"}
        answer = await client.patch(cell.ref, json={"language": "en"}, headers=merge)
        hold(cell, "patch", answer, may, answer.is_success)
        if cell.type != "Patient":
            speaker = _SPEAKER.get(cell.type)
            said = (
                {speaker: {"reference": who.reference}} if speaker and "/" in who.reference else {}
            )
            entry = {
                "resource": {**resource, **said},
                "request": {"method": "POST", "url": cell.type},
            }
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
            answer = await client.post("", json=bundle, headers=FHIR)
            hold(cell, "create", answer, allowed(who, cell, "create"), answer.is_success)
            copy = {**resource, "id": f"copy-{cell.id}"}
            await put(admin, copy)
            answer = await client.delete(f"{cell.type}/{copy['id']}")
            gone = (await admin.get(f"{cell.type}/{copy['id']}")).status_code == 410
            hold(cell, "delete", answer, reads_it and allowed(who, cell, "delete"), gone)
    return errors


@pytest.mark.slow
async def test_every_write_does_what_the_oracle_says(shared_database: Database) -> None:
    errors: list[str] = []
    async with furnished(shared_database) as house:
        for who in CAST:
            if who.name in WRITERS:
                errors += await written(house.of(who), house.clients["admin"], who)
    assert not errors, "\n".join(errors[:60])


def _asked(random: Random) -> str:
    """Return some request that reads."""
    type_, other = random.choice(TYPES), random.choice(TYPES)
    of = random.choice(["ann", "joe", "cora"])
    about, theirs = ABOUT.get(type_, "_id"), ABOUT.get(other, "_id")
    parts = [
        f"{about}={of}",
        f"{about}:Patient._id={of}" if about != "_id" else f"_id={of}",
        f"_has:{other}:{theirs}:_lastUpdated=gt2000"
        if type_ == "Patient"
        else "_lastUpdated=gt2000",
        f"_filter=not (_id eq {of})",
        "_include=*",
        "_revinclude=*",
        f"_revinclude={other}:{theirs}" if theirs != "_id" else "_include=*",
        "_include:iterate=*",
        "_sort=-_lastUpdated",
        "_total=accurate",
        "_elements=id",
        "_summary=true",
        "_count=3",
        "_list=none",
    ]
    question = "&".join(random.sample(parts, random.randint(0, 4)))
    return random.choice(
        [
            f"{type_}?{question}",
            f"?_type={type_},{other}&_count=500",
            f"Patient/{of}/{type_}?{question}",
            f"Patient/{of}/*",
            "Patient/$everything?_count=500",
            f"Patient/{of}/$everything?_count=500",
            "Group/cohort/$everything",
            f"Observation/$lastn?patient={of}&max=3",
            f"{random.choice(CELLS).ref}/_history",
            f"{random.choice(CELLS).ref}/$graphql?query={{resourceType id}}",
            f"$graphql?query={{{type_}List{{resourceType id}}}}",
            f'$graphql?query={{Patient(id:"{of}"){{resourceType id ObservationList(_reference:patient){{resourceType id}}}}}}',
            f"_history?_count={random.randint(1, 200)}",
            f"{type_}/_history?_since=2020-01-01",
        ]
    )


@pytest.mark.slow
async def test_no_answer_holds_what_a_read_by_the_same_token_refuses(
    shared_database: Database,
) -> None:
    random = Random(7)
    answered = 0
    async with furnished(shared_database) as house:
        for who in CAST:
            client = house.of(who)
            read = {one.ref for one in CELLS if (await client.get(one.ref)).is_success}
            assert read == {one.ref for one in CELLS if reads(who, one)}
            hidden = {one.ref for one in CELLS} - read
            for _ in range(40):
                url = _asked(random)
                answer = await client.get(url)
                assert answer.status_code in (200, 400, 403, 404, 405), (url, answer.text)
                answered += answer.is_success
                leaked = shown(answer.json()) & hidden
                assert not leaked, (who.name, url, leaked)
            urls = [_asked(random) for _ in range(10)]
            for kind in ("batch", "transaction"):
                answer = await client.post("", json=_batch(urls, kind), headers=FHIR)
                leaked = shown(answer.json()) & hidden
                assert not leaked, (who.name, kind, urls, leaked)
    assert answered > 400
