"""FHIR packages read from bytes: what is in them, and what is refused."""

import gzip
import io
import json
import tarfile
from typing import Any

import pytest

from fhirserver.definitions import package as packages
from fhirserver.definitions.package import (
    BadPackageError,
    Package,
    missing_dependencies,
    read_package,
    satisfies,
)
from fhirserver.definitions.shipped import own_content, own_package

Json = dict[str, Any]

MANIFEST: Json = {
    "name": "org.example.ig",
    "version": "1.0.0",
    "fhirVersions": ["4.0.1"],
    "dependencies": {"hl7.fhir.r4.core": "4.0.1"},
}
VALUE_SET: Json = {
    "resourceType": "ValueSet",
    "url": "http://example.org/ValueSet/a",
    "status": "active",
    "text": {"status": "generated", "div": "<div/>"},
}


def archive(files: dict[str, Any], *, members: list[tarfile.TarInfo] | None = None) -> bytes:
    """A gzipped tar of JSON (or raw) files, and other members."""
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as tar:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in members or []:
            tar.addfile(member)
    return gzip.compress(unpacked.getvalue(), mtime=0)


def package(resources: dict[str, Any] | None = None, **manifest: Any) -> bytes:
    files = {"package/package.json": {**MANIFEST, **manifest}}
    return archive({**files, **(resources or {})})


def test_what_a_package_holds() -> None:
    found = read_package(
        package(
            {
                "package/ValueSet-a.json": VALUE_SET,
                "package/.index.json": {"files": []},
                "package/ImplementationGuide-x.json": {"resourceType": "ImplementationGuide"},
                "package/example/ValueSet-b.json": {**VALUE_SET, "url": "http://example.org/b"},
                "package/other/readme.md": b"words",
            }
        )
    )
    reduced = {name: value for name, value in VALUE_SET.items() if name != "text"}
    assert found == Package("org.example.ig", "1.0.0", {"hl7.fhir.r4.core": "4.0.1"}, (reduced,))


def test_a_profile_loses_its_explanations_and_nothing_else() -> None:
    element = {
        "id": "Patient.name",
        "path": "Patient.name",
        "short": "s",
        "definition": "long",
        "mapping": [],
        "min": 1,
        "fixedCode": "a",
        "constraint": [
            {"key": "k", "severity": "error", "human": "h", "expression": "e", "xpath": "x"}
        ],
        "binding": {"strength": "required", "valueSet": "v", "description": "d"},
    }
    profile = {
        "resourceType": "StructureDefinition",
        "url": "http://example.org/p",
        "context": [{"type": "element", "expression": "Patient"}],
        "snapshot": {"element": [element]},
        "differential": {"element": [element]},
    }
    (found,) = read_package(package({"package/p.json": profile})).resources
    (kept,) = found["snapshot"]["element"]
    assert "differential" not in found
    assert found["context"] == profile["context"]
    assert kept == {
        "id": "Patient.name",
        "path": "Patient.name",
        "short": "s",
        "min": 1,
        "fixedCode": "a",
        "constraint": [{"key": "k", "severity": "error", "human": "h", "expression": "e"}],
        "binding": {"strength": "required", "valueSet": "v"},
    }


def _link(kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo("package/x.json")
    member.type = kind
    member.linkname = "/etc/passwd"
    return member


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no archive", "no gzipped tar"),
        (gzip.compress(b"no tar" * 200, mtime=0), "no gzipped tar"),
        (package()[:-30], "no gzipped tar"),
        (archive({"package/a.json": VALUE_SET}), "no package/package.json"),
        (package(name="Not A Name!"), "name"),
        (package(version="one two"), "version"),
        (package(dependencies=["a"]), "dependencies"),
        (package(fhirVersions=["5.0.0"]), "another release"),
        (package({"package/a.json": b"{"}), "package/a.json"),
        (package({"package/a.json": b'{"url": 1, "url": 2}'}), "package/a.json"),
        (package({"/etc/passwd": b"x"}), "leads out"),
        (package({"package/../../x.json": b"{}"}), "leads out"),
        (archive({}, members=[_link(tarfile.SYMTYPE)]), "link or a device"),
        (archive({}, members=[_link(tarfile.LNKTYPE)]), "link or a device"),
        (archive({}, members=[_link(tarfile.CHRTYPE)]), "link or a device"),
    ],
)
def test_what_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadPackageError, match=words):
        read_package(data)


@pytest.mark.parametrize(
    ("bound", "value", "words"),
    [
        ("MAX_ARCHIVE", 100, "larger than"),
        ("MAX_UNPACKED", 1000, "unpacked"),
        ("MAX_FILES", 1, "more than 1 files"),
        ("MAX_FILE", 10, "is larger"),
    ],
)
def test_bounds(monkeypatch: pytest.MonkeyPatch, bound: str, value: int, words: str) -> None:
    data = package({"package/a.json": VALUE_SET, "package/b.json": VALUE_SET})
    monkeypatch.setattr(packages, bound, value)
    with pytest.raises(BadPackageError, match=words):
        read_package(data)


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_UNPACKED", 1024 * 1024)
    header = tarfile.TarInfo("package/long.json")
    header.pax_headers = {"comment": "x" * 4 * 1024 * 1024}
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(header)
    with pytest.raises(BadPackageError, match="unpacked"):
        read_package(gzip.compress(unpacked.getvalue()))


def test_missing_dependencies_are_named_with_their_version() -> None:
    needing = Package("a", "1", {"b": "2.0.x", "c": "1.0.0", "hl7.fhir.r4.core": "4.0.1"})
    assert list(missing_dependencies([needing], [])) == [
        ("a@1", "b", "2.0.x"),
        ("a@1", "c", "1.0.0"),
    ]
    assert list(missing_dependencies([needing, Package("c", "1.0.0")], [("b", "2.0.7")])) == []
    assert list(missing_dependencies([needing, Package("c", "1.0.1")], [("b", "2.1.0")])) != []


@pytest.mark.parametrize(
    ("version", "wanted", "is_right"),
    [
        ("4.0.1", "4.0.1", True),
        ("4.0.1", "4.0.x", True),
        ("4.1.1", "4.0.x", False),
        ("4.0.1", "4.x", True),
        ("40.1.1", "4.x", False),
        ("1.0.0", "latest", True),
        ("1.0.0", "1.0.0-ballot", False),
    ],
)
def test_versions_that_satisfy(version: str, wanted: str, is_right: bool) -> None:
    assert satisfies(version, wanted) is is_right


def test_our_own_content_is_such_a_package() -> None:
    found = read_package(own_package())
    assert found.name == "org.w3id.fhirserver"
    assert {one["url"] for one in found.resources} == {
        one["url"] for one in own_content() if one["resourceType"] != "NamingSystem"
    }
    assert own_package() == own_package()
