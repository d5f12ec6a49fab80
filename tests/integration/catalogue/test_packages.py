"""`fhirserver packages`: checked, stored whole or not at all, and in force in running processes."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from fhirserver import package_installation
from fhirserver.__main__ import app
from fhirserver.command_database import RefusedError
from fhirserver.kernel.resource import Json
from tests.conftest import Database
from tests.integration.catalogue.conftest import Process, open_process, until
from tests.integration.rest.conftest import JSON
from tests.terminal import at_terminal
from tests.unit.definitions.test_package import archive
from tests.unit.validation.profiles.builders import extension, profile, row

STRICT = profile("strict", "Patient", row("Patient.birthDate", min=1), version="1.0.0")
CLAIM: Json = {"resourceType": "Patient", "meta": {"profile": [STRICT["url"]]}}
CODES: Json = {
    "resourceType": "CodeSystem",
    "url": "http://example.org/CodeSystem/side",
    "status": "active",
    "content": "complete",
    "concept": [{"code": "left"}, {"code": "right"}],
}
SIDES: Json = {
    "resourceType": "ValueSet",
    "url": "http://example.org/ValueSet/side",
    "status": "active",
    "compose": {"include": [{"system": CODES["url"]}]},
}
SIDED = profile(
    "sided",
    "Patient",
    row("Patient.maritalStatus", binding={"strength": "required", "valueSet": SIDES["url"]}),
)
SIZE: Json = {
    "resourceType": "SearchParameter",
    "url": "http://example.org/SearchParameter/shoe-size",
    "name": "ShoeSize",
    "status": "active",
    "description": "d",
    "code": "shoe-size",
    "base": ["Patient"],
    "type": "token",
    "expression": "Patient.maritalStatus",
}


@pytest.fixture
def data(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DATA directory whose secrets are those of the test's database."""
    at_terminal(tmp_path, database, monkeypatch, ring=None)
    return tmp_path


def written(folder: Path, name: str, *resources: Json, **manifest: Any) -> Path:
    """A package file: `name` is also the package's."""
    told = {
        "name": name,
        "version": "1.0.0",
        "fhirVersions": ["4.0.1"],
        "dependencies": {"hl7.fhir.r4.core": "4.0.1"},
        **manifest,
    }
    files = {f"package/{number}.json": one for number, one in enumerate(resources)}
    path = folder / f"{name}.tgz"
    path.write_bytes(archive({"package/package.json": told, **files}))
    return path


def installed() -> list[str]:
    return [one.label for one in package_installation.installed()]


def test_adding_listing_and_removing(data: Path) -> None:
    path = written(data, "org.example.a", STRICT)
    assert [one.label for one in package_installation.add([path])] == ["org.example.a@1.0.0"]
    assert installed() == ["org.example.a@1.0.0"]
    (shown,) = package_installation.installed()
    assert (shown.resources, shown.dependencies) == (1, {"hl7.fhir.r4.core": "4.0.1"})
    package_installation.add([path])
    assert installed() == ["org.example.a@1.0.0"], "the same package again replaces itself"
    package_installation.remove("org.example.a")
    assert installed() == []


def test_the_command_line(data: Path) -> None:
    runner = CliRunner()
    path = written(data, "org.example.a", STRICT)
    added = runner.invoke(app, ["packages", "add", str(path)])
    assert (added.exit_code, added.output) == (0, "org.example.a@1.0.0: 1 resources installed\n")
    listed = runner.invoke(app, ["packages", "list"])
    assert listed.output == "org.example.a@1.0.0: 1 resources, needs hl7.fhir.r4.core@4.0.1\n"
    removed = runner.invoke(app, ["packages", "remove", "org.example.a@1.0.0"])
    assert removed.output == "org.example.a@1.0.0: removed\n"
    again = runner.invoke(app, ["packages", "remove", "org.example.a"])
    assert isinstance(again.exception, RefusedError)
    out = data / "ours.tgz"
    assert runner.invoke(app, ["packages", "pack", str(out)]).exit_code == 0
    runner.invoke(app, ["packages", "add", str(out)])
    assert installed()[0].startswith("org.w3id.fhirserver@")


def test_what_it_needs_must_be_there_or_come_with_it(data: Path) -> None:
    needs = {"hl7.fhir.r4.core": "4.0.1", "org.example.base": "2.0.0"}
    derived = profile("derived", "Patient", base=STRICT["url"])
    path = written(data, "org.example.top", derived, dependencies=needs)
    with pytest.raises(RefusedError, match=r"needs org\.example\.base@2\.0\.0"):
        package_installation.add([path])
    older = written(data, "org.example.base", STRICT, version="1.0.0")
    with pytest.raises(RefusedError, match=r"org\.example\.base@2\.0\.0"):
        package_installation.add([path, older])
    assert installed() == []
    base = written(data, "org.example.base", STRICT, version="2.0.0")
    package_installation.add([path, base])
    assert sorted(installed()) == ["org.example.base@2.0.0", "org.example.top@1.0.0"]
    with pytest.raises(RefusedError, match="is needed by"):
        package_installation.remove("org.example.base")


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ({**STRICT, "baseDefinition": "http://example.org/nowhere"}, "nowhere is not loaded"),
        ({**STRICT, "status": "great"}, "status"),
        ({**CODES, "concept": [{"display": "no code"}]}, "code is required"),
        ({name: value for name, value in SIDES.items() if name != "url"}, "has no url"),
        ({**SIZE, "expression": "Patient.((("}, "SearchParameter"),
    ],
)
def test_bad_content_is_refused_with_what_is_wrong(data: Path, resource: Json, words: str) -> None:
    good = written(data, "org.example.good", SIDES)
    bad = written(data, "org.example.bad", STRICT, resource)
    with pytest.raises(RefusedError, match=words) as refusal:
        package_installation.add([good, bad])
    assert "org.example.bad@1.0.0: " in str(refusal.value)
    assert installed() == []


def test_a_file_that_is_no_package(data: Path) -> None:
    (data / "x.tgz").write_bytes(b"words")
    with pytest.raises(RefusedError, match=r"x\.tgz"):
        package_installation.add([data / "x.tgz"])
    with pytest.raises(RefusedError, match=r"y\.tgz"):
        package_installation.add([data / "y.tgz"])


def test_a_database_of_before(
    data: Path, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database.dsn)
    with pytest.raises(RefusedError):
        package_installation.installed()


async def _status(client: httpx.AsyncClient, resource: Json) -> int:
    answer = await client.post("Patient", json=resource, headers={"content-type": JSON})
    return answer.status_code


async def _is(status: int, client: httpx.AsyncClient) -> bool:
    return await _status(client, CLAIM) == status


async def test_running_processes_use_it(
    data: Path, database: Database, process: Process, admin: httpx.AsyncClient
) -> None:
    path = written(data, "org.example.a", STRICT, SIDED, SIDES, CODES, SIZE, extension("mark"))
    async with open_process(database) as other:
        elsewhere = await other.admin(1)
        following = [asyncio.create_task(one.catalogue.follow()) for one in (process, other)]
        try:
            assert await _status(elsewhere, CLAIM) == 201
            await asyncio.to_thread(package_installation.add, [path])
            await until(lambda: _is(422, elsewhere))
            await until(lambda: _is(422, admin))
            await _the_rest_of_the_package(elsewhere)
            await asyncio.to_thread(package_installation.remove, "org.example.a")
            await until(lambda: _is(201, elsewhere))
        finally:
            for one in following:
                one.cancel()


async def _the_rest_of_the_package(client: httpx.AsyncClient) -> None:
    sided = {"resourceType": "Patient", "meta": {"profile": [SIDED["url"]]}}
    left = {"coding": [{"system": CODES["url"], "code": "left"}]}
    wrong = {"coding": [{"system": CODES["url"], "code": "up"}]}
    assert await _status(client, {**sided, "maritalStatus": left}) == 201
    assert await _status(client, {**sided, "maritalStatus": wrong}) == 422
    statement = (await client.get("metadata")).json()
    (about,) = [one for one in statement["rest"][0]["resource"] if one["type"] == "Patient"]
    assert {STRICT["url"], SIDED["url"]} <= set(about["supportedProfile"])
