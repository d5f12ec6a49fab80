"""FHIR packages: the NPM-shaped archives in which implementation guides are published.

A package is a gzipped tar with `package/package.json` and one JSON file per resource. Nothing of
it is ever written to a disk: it is read in memory, within bounds, and what does not belong into
a package (links, paths that lead elsewhere) refuses the whole archive.

Spec: https://hl7.org/fhir/packages.html (FHIR NPM Package Specification)
"""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, cast

from fhirserver.definitions.canonicals import PACKAGED
from fhirserver.definitions.reduced import reduced
from fhirserver.kernel.errors import Malformed
from fhirserver.wire import fhir_json

Json = dict[str, Any]

MAX_ARCHIVE = 64 * 1024 * 1024
MAX_UNPACKED = 512 * 1024 * 1024
MAX_FILES = 50_000
MAX_FILE = 32 * 1024 * 1024
"""Bounds of an archive, in bytes and files."""

BUILT_IN = {"hl7.fhir.r4.core": ("4.0.1", "4.0.0")}
"""Packages whose content is part of the server, by the versions it stands for."""

FOLDER = "package"
MANIFEST = "package/package.json"

_NAME = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+|@[a-z0-9-]+/[a-z0-9._-]+|[a-z0-9._-]+")
_VERSION = re.compile(r"[0-9A-Za-z.+_-]{1,64}")
_WILD = re.compile(r"(?P<stem>\d+(?:\.\d+)?)\.[xX*]")


class BadPackageError(Exception):
    """An archive that is no FHIR package for R4; says what is wrong."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package: what it is called, what it needs, and its canonical resources, reduced.

    `dependencies` maps names to versions ("4.0.1", or "4.0.x").
    """

    name: str
    version: str
    dependencies: dict[str, str] = field(default_factory=dict)
    resources: tuple[Json, ...] = ()

    @property
    def label(self) -> str:
        """The name and version as they are written together."""
        return f"{self.name}@{self.version}"


def read_package(archive: bytes) -> Package:
    """Return the package in `archive`. Raises BadPackageError, naming the file that is wrong."""
    if len(archive) > MAX_ARCHIVE:
        raise BadPackageError(f"the archive is larger than {MAX_ARCHIVE >> 20} MiB")
    manifest: Json | None = None
    resources: list[Json] = []
    for path, content in _files(archive):
        if path == MANIFEST:
            manifest = _json(path, content)
        elif _holds_resource(path):
            resource = _json(path, content)
            if resource.get("resourceType") in PACKAGED:
                resources.append(reduced(resource))
    if manifest is None:
        raise BadPackageError(f"there is no {MANIFEST}")
    return _package(manifest, resources)


def missing_dependencies(
    packages: Iterable[Package], installed: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str, str]]:
    """Go through what `packages` need and nobody has: who needs it, its name, its version."""
    packages = list(packages)
    present = {*installed, *((one.name, one.version) for one in packages)}
    present |= {(name, version) for name, versions in BUILT_IN.items() for version in versions}
    for package in packages:
        for name, version in sorted(package.dependencies.items()):
            if not any(one == name and satisfies(other, version) for one, other in present):
                yield package.label, name, version


def satisfies(version: str, wanted: str) -> bool:
    """Whether `version` is what a dependency wants: that one, or one of its "4.0.x"."""
    if wanted in ("latest", "current", version):
        return True
    wild = _WILD.fullmatch(wanted)
    return wild is not None and version.startswith(wild["stem"] + ".")


def _package(manifest: Json, resources: list[Json]) -> Package:
    name, version = manifest.get("name"), manifest.get("version")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None or len(name) > 214:
        raise BadPackageError(f"{MANIFEST}: name is not that of a package")
    if not isinstance(version, str) or _VERSION.fullmatch(version) is None:
        raise BadPackageError(f"{MANIFEST}: version is missing or no version")
    dependencies = manifest.get("dependencies", {})
    if not isinstance(dependencies, dict) or not all(
        isinstance(value, str) for value in dependencies.values()
    ):
        raise BadPackageError(f"{MANIFEST}: dependencies are names with versions")
    releases = manifest.get("fhirVersions", manifest.get("fhir-version-list"))
    if releases is not None and not _is_r4(releases):
        raise BadPackageError(f"{name} {version} is for another release of FHIR than R4 (4.0.1)")
    return Package(name, version, dict(dependencies), tuple(resources))


def _is_r4(releases: object) -> bool:
    listed = releases if isinstance(releases, list) else [releases]
    return any(isinstance(one, str) and one.startswith("4.0") for one in listed)


def _holds_resource(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return folder == FOLDER and name.endswith(".json") and not name.startswith(".")


def _json(path: str, content: bytes) -> Json:
    try:
        return fhir_json.read(content)
    except Malformed as error:
        raise BadPackageError(f"{path}: {error.message}") from error


def _files(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Go through the JSON files, never unpacking more than the bounds allow."""
    count = size = 0
    try:
        with (
            gzip.GzipFile(fileobj=io.BytesIO(archive)) as unpacked,
            tarfile.open(fileobj=cast("IO[bytes]", _Bounded(unpacked)), mode="r|") as members,
        ):
            for member in members:
                count, size = count + 1, size + member.size
                _require_harmless(member, count, size)
                stream = members.extractfile(member) if member.name.endswith(".json") else None
                if stream is not None:
                    yield member.name, stream.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise BadPackageError(f"the file is no gzipped tar archive: {error}") from error


class _Bounded:
    """Reads what is unpacked, until it is more than any package has; headers count too."""

    def __init__(self, unpacked: gzip.GzipFile) -> None:
        self._unpacked = unpacked
        self._left = MAX_UNPACKED

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        self._left -= size
        if self._left < 0:
            raise BadPackageError(f"unpacked, the archive is larger than {MAX_UNPACKED >> 20} MiB")
        return self._unpacked.read(size)


def _require_harmless(member: tarfile.TarInfo, count: int, size: int) -> None:
    shown = repr(member.name[:100])
    if count > MAX_FILES:
        raise BadPackageError(f"the archive holds more than {MAX_FILES} files")
    if size > MAX_UNPACKED:
        raise BadPackageError(f"unpacked, the archive is larger than {MAX_UNPACKED >> 20} MiB")
    if not (member.isfile() or member.isdir()):
        raise BadPackageError(f"{shown} is a link or a device")
    if member.name.startswith("/") or ".." in member.name.split("/"):
        raise BadPackageError(f"{shown} leads out of the package")
    if member.size > MAX_FILE and member.name.endswith(".json"):
        raise BadPackageError(f"{shown} is larger than {MAX_FILE >> 20} MiB")
