import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from fhirserver.terminology import compile as compiler
from fhirserver.terminology.base import base_canonical, base_urls


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "entry": [{"resource": one} for one in resources]}


CODE_SYSTEM = {
    "resourceType": "CodeSystem",
    "url": "http://x/cs",
    "text": {"div": "..."},
    "publisher": "somebody",
    "content": "complete",
    "concept": [
        {"code": "a", "display": "A", "definition": "A.", "extension": [{"url": "http://x"}]},
        {"code": "b", "display": "B", "definition": "Something else."},
    ],
}
SNOMED = {
    "resourceType": "ValueSet",
    "url": "http://x/vs",
    "compose": {
        "include": [
            {"system": "http://snomed.info/sct", "concept": [{"code": "1", "display": "One"}]},
            {"system": "http://x/cs", "concept": [{"code": "a", "display": "First"}]},
        ]
    },
}


def package(path: Path, names: tuple[str, ...] = compiler.FILES) -> Path:
    """A package with both resources in its first file."""
    for number, name in enumerate(names):
        content = bundle(CODE_SYSTEM, SNOMED) if number == 0 else bundle()
        file = path / "dist" / "fhir" / "r4" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    return path


def test_what_is_kept() -> None:
    content = compiler.compile_terminology(iter([bundle(CODE_SYSTEM, SNOMED)]))
    assert content["CodeSystem"]["http://x/cs"] == {
        "resourceType": "CodeSystem",
        "url": "http://x/cs",
        "content": "complete",
        "concept": [
            {"code": "a", "display": "A"},
            {"code": "b", "display": "B", "definition": "Something else."},
        ],
    }
    first, second = content["ValueSet"]["http://x/vs"]["compose"]["include"]
    assert first["concept"] == [{"code": "1"}]
    assert second["concept"] == [{"code": "a", "display": "First"}]


def test_a_directory_and_an_archive_give_the_same_bytes(tmp_path: Path) -> None:
    folder = package(tmp_path / "folder")
    archive = tmp_path / "package.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder / "dist", "package/dist")
    outputs = [tmp_path / "one.gz", tmp_path / "two.gz"]
    for source, output in zip((folder, archive), outputs, strict=True):
        assert compiler.main([str(source), str(output)]) == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert set(json.loads(gzip.decompress(outputs[0].read_bytes()))) == set(compiler.KEPT)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = package(tmp_path, compiler.FILES[:2])
    with pytest.raises(compiler.BadPackageError, match=compiler.FILES[2]):
        compiler.main([str(folder), str(tmp_path / "out")])
    archive = tmp_path / "empty.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.addfile(tarfile.TarInfo("package/x"), io.BytesIO())
    with pytest.raises(compiler.BadPackageError, match=compiler.FILES[0]):
        compiler.main([str(archive), str(tmp_path / "out")])


def test_wrong_usage() -> None:
    assert compiler.main([]) == 2


def test_the_shipped_file() -> None:
    assert len(base_urls("CodeSystem")) > 1000
    assert len(base_urls("ValueSet")) > 1300
    assert base_canonical("ConceptMap", "http://nowhere") is None
    gender = base_canonical("ValueSet", "http://hl7.org/fhir/ValueSet/administrative-gender")
    assert gender is not None
    assert gender["version"] == "4.0.1"
