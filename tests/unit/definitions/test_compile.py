"""The compiler against a package of a few definitions, made here."""

import copy
import gzip
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from fhirserver.definitions import Definitions
from fhirserver.definitions.compile import CORE, main
from fhirserver.definitions.expansion import NotEnumerableError, expand
from fhirserver.definitions.source import EVERYTHING, FILES, BadSourceError, Source, read_source

Json = dict[str, Any]


def _row(path: str, code: str, maximum: str = "1", minimum: int = 0, **more: object) -> Json:
    return {
        "path": path,
        "min": minimum,
        "max": maximum,
        "type": [{"code": code}],
        "base": {"path": path},
        **more,
    }


def _structure(name: str, kind: str, base: str | None, *rows: Json, **more: Any) -> Json:
    root = {"path": name, "min": 0, "max": "*", "base": {"path": name}}
    found: Json = {
        "resourceType": "StructureDefinition",
        "url": CORE + name,
        "fhirVersion": "4.0.1",
        "name": name,
        "kind": kind,
        "abstract": False,
        "snapshot": {"element": [root, *rows]},
        "differential": {"element": copy.deepcopy([root, *rows])},
        **more,
    }
    if base is not None:
        found["baseDefinition"] = CORE + base
    return found


STATUS = {"strength": "required", "valueSet": "http://example.org/vs/status|4.0.1"}


def _package() -> dict[str, list[Json]]:
    types = [
        _structure("Element", "complex-type", None, abstract=True),
        _structure("code", "primitive-type", "Element"),
        _structure("Odd", "logical", None),
        _structure("Narrow", "complex-type", "Element", derivation="constraint"),
    ]
    resources = [
        _structure("Resource", "resource", None, _row("Resource.id", "code"), abstract=True),
        _structure(
            "Zebra",
            "resource",
            "Resource",
            _row("Zebra.status", "code", minimum=1, binding=STATUS),
            _row("Zebra.stripe", "Element", "*"),
            _row("Zebra.stripe.colour[x]", "code"),
        ),
        _structure("Ant", "resource", "Resource", _row("Ant.leg", "code", "*")),
        _structure("Newer", "resource", "Resource", fhirVersion="4.3.0"),
        {
            "resourceType": "CompartmentDefinition",
            "url": "http://example.org/patient",
            "version": "4.0.1",
            "code": "Patient",
            "resource": [
                {"code": "Encounter", "param": ["subject"]},
                {"code": "Task", "param": ["patient"]},
                {"code": "Zebra", "param": ["owner"]},
                {"code": "Ant"},
            ],
        },
        {
            "resourceType": "CapabilityStatement",
            "url": EVERYTHING,
            "rest": [
                {
                    "resource": [
                        {"type": "Zebra", "searchParam": [{"name": "status"}, {"name": "_id"}]},
                        {"type": "Newer"},
                    ]
                }
            ],
        },
        {"resourceType": "CapabilityStatement", "url": "http://example.org/other"},
        {"resourceType": "OperationDefinition"},
    ]
    parameter = {"resourceType": "SearchParameter", "type": "token", "version": "4.0.1"}
    parameters: list[Json] = [
        {
            **parameter,
            "url": "http://example.org/sp/status",
            "code": "status",
            "base": ["Zebra", "Ant"],
            "expression": "Zebra.status | (Ant.leg as code)",
        },
        {
            **parameter,
            "url": "http://example.org/sp/added",
            "code": "added",
            "base": ["Zebra"],
            "expression": "Zebra.status",
        },
        {
            **parameter,
            "url": "http://example.org/sp/new",
            "code": "new",
            "base": ["Zebra"],
            "version": "5.0.0",
        },
    ]
    value_sets: list[Json] = [
        {
            "resourceType": "ValueSet",
            "url": "http://example.org/vs/status",
            "compose": {"include": [{"system": "http://example.org/cs"}]},
        },
        {
            "resourceType": "CodeSystem",
            "url": "http://example.org/cs",
            "content": "complete",
            "concept": [{"code": "on", "concept": [{"code": "dimmed"}]}, {"code": "off"}],
        },
    ]
    files: list[list[Json]] = [types, resources, parameters, value_sets, [], []]
    return dict(zip(FILES, files, strict=True))


def _write(folder: Path, package: dict[str, list[Json]]) -> Path:
    folder.mkdir(parents=True)
    for name, found in package.items():
        bundle = {"resourceType": "Bundle", "entry": [{"resource": one} for one in found]}
        (folder / name).write_text(json.dumps(bundle))
    return folder


def _compiled(output: Path) -> Definitions:
    return Definitions(gzip.decompress(output.read_bytes()))


def test_compiles_what_the_differentials_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = _package()
    zebra = package["profiles-resources.json"][1]
    zebra["snapshot"]["element"].append(_row("Zebra.invented", "code"))
    zebra["snapshot"]["element"][1]["min"] = 0
    folder = _write(tmp_path / "fhir" / "r4", package)
    output = tmp_path / "out.json.gz"

    assert main([str(folder), str(output)]) == 0

    definitions = _compiled(output)
    assert definitions.resource_types == ("Ant", "Zebra")
    assert definitions.structure_names == ("Ant", "Element", "Resource", "Zebra", "code")
    structure = definitions.structure("Zebra")
    assert [one.name for one in structure.elements] == ["id", "status", "stripe"]
    assert structure.elements[0].types[0].code == "id"
    assert structure.elements[1].min == 1
    assert structure.elements[2].elements[0].is_choice
    value_set = definitions.value_set("http://example.org/vs/status")
    assert value_set is not None
    assert value_set.all_codes == {"on", "dimmed", "off"}
    assert definitions.compartment("Patient") == {"Encounter": ("patient",), "Zebra": ("owner",)}
    assert definitions.search_parameters("Ant")["status"].expression == "(Ant.leg as code)"
    said = capsys.readouterr().out
    assert (
        "left out, not part of 4.0.1: StructureDefinition " + CORE + "Newer: version 4.3.0" in said
    )
    assert (
        "left out, not part of 4.0.1: SearchParameter http://example.org/sp/new: version 5.0.0"
        in said
    )
    assert "SearchParameter http://example.org/sp/added: not listed for Zebra" in said
    assert set(definitions.search_parameters("Zebra")) == {"status"}
    assert "differential used: Zebra.invented: not in 4.0.1" in said
    assert "differential used: Zebra.status: changed" in said
    assert "restored: compartment Patient, Task: no parameter" in said


def test_an_element_the_snapshot_lost_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = _package()
    package["profiles-resources.json"][2]["snapshot"]["element"].pop()
    folder = _write(tmp_path / "r4", package)
    assert main([str(folder), str(tmp_path / "out")]) == 0
    assert "differential used: Ant.leg: removed" in capsys.readouterr().out
    assert _compiled(tmp_path / "out").structure("Ant").element("Ant.leg") is not None


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = _write(tmp_path / "package" / "dist" / "fhir" / "r4", _package())
    archive = tmp_path / "package.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(tmp_path / "package", "package")
    for number, source in enumerate((folder, tmp_path / "package", archive)):
        assert main([str(source), str(tmp_path / f"out{number}")]) == 0
    first, second, third = (tmp_path / f"out{number}" for number in range(3))
    assert first.read_bytes() == second.read_bytes() == third.read_bytes()


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_an_incomplete_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSourceError, match="no profiles-types"):
        read_source(tmp_path)
    folder = _write(tmp_path / "r4", _package())
    (folder / "valuesets.json").write_text("{}")
    with pytest.raises(BadSourceError, match="not a Bundle"):
        read_source(folder)
    (folder / "valuesets.json").unlink()
    with pytest.raises(BadSourceError, match=r"valuesets.json is missing"):
        read_source(folder)
    with tarfile.open(tmp_path / "empty.tgz", "w:gz"):
        pass
    with pytest.raises(BadSourceError, match="missing"):
        read_source(tmp_path / "empty.tgz")


def test_a_parameter_that_does_not_speak_of_its_type_is_refused(tmp_path: Path) -> None:
    package = _package()
    package["search-parameters.json"][0]["expression"] = "Zebra.status"
    folder = _write(tmp_path / "r4", package)
    with pytest.raises(BadSourceError, match="says nothing about Ant"):
        main([str(folder), str(tmp_path / "out")])


def test_a_parameter_that_is_missing_is_named(tmp_path: Path) -> None:
    package = _package()
    del package["search-parameters.json"][0]
    folder = _write(tmp_path / "r4", package)
    with pytest.raises(BadSourceError, match="Zebra lacks the search parameters status"):
        main([str(folder), str(tmp_path / "out")])


def test_a_composite_of_nothing_is_refused(tmp_path: Path) -> None:
    package = _package()
    component = {"definition": "http://example.org/sp/gone", "expression": "status"}
    package["search-parameters.json"][0]["component"] = [component]
    folder = _write(tmp_path / "r4", package)
    with pytest.raises(BadSourceError, match="unknown parameter"):
        main([str(folder), str(tmp_path / "out")])


@pytest.mark.parametrize(
    ("compose", "reason"),
    [
        ({"include": [{"system": "http://example.org/cs", "filter": [{}]}]}, "filters"),
        ({"include": [{"system": "http://example.org/gone"}]}, "does not hold"),
        ({"include": [{"system": "http://example.org/part"}]}, "does not hold"),
        ({"include": [{"valueSet": ["a", "b"]}]}, "intersects"),
        ({"include": [{"valueSet": ["http://example.org/gone"]}]}, "not in the package"),
        ({"include": [{"system": "http://example.org/cs", "concept": []}]}, "no codes"),
        ({"include": [], "exclude": [{}]}, "excludes"),
    ],
)
def test_a_value_set_that_cannot_be_listed(compose: Json, reason: str) -> None:
    source = Source(
        value_sets={"http://example.org/vs": {"compose": compose}},
        code_systems={
            "http://example.org/cs": {"content": "complete", "concept": [{"code": "a"}]},
            "http://example.org/part": {"content": "fragment"},
        },
    )
    with pytest.raises(NotEnumerableError, match=reason):
        expand(source, "http://example.org/vs")


def test_a_value_set_of_value_sets() -> None:
    source = Source(
        value_sets={
            "http://example.org/all": {
                "compose": {
                    "include": [
                        {"valueSet": ["http://example.org/some|1.0"]},
                        {"system": "http://example.org/b", "concept": [{"code": "z"}]},
                    ]
                }
            },
            "http://example.org/some": {
                "compose": {
                    "include": [{"system": "http://example.org/a", "concept": [{"code": "y"}]}]
                }
            },
        }
    )
    assert expand(source, "http://example.org/all") == {
        "systems": {"http://example.org/a": ["y"], "http://example.org/b": ["z"]}
    }
