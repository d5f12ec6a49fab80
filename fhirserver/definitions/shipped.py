"""Canonical resources that ship with the server.

- R4's own profiles and extensions (vital signs, `flag-priority`, ...), compiled from HL7's
  definitions, published under CC0, by `python -m fhirserver.definitions.compile`;
- what this product defines itself: the files in `content`;
- search parameters that R4 lacks, of guides that it implements and of its own: the files in `parameters`. They are
  searched like R4's own.

Spec: https://hl7.org/fhir/R4/profilelist.html, https://hl7.org/fhir/R4/extensibility-registry.html
"""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from decimal import Decimal
from importlib import resources
from typing import Any

import msgspec

from fhirserver.kernel.canonical import BASE

PROFILES_FILE = "r4-profiles.json.gz"
PACKAGE_NAME = "org.w3id.fhirserver"

Json = dict[str, Any]

_PACKAGE = "fhirserver.definitions"
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def canonical_resources() -> Iterator[Json]:
    """Read everything that ships; numbers with a fraction are Decimals."""
    packed = resources.files(_PACKAGE).joinpath(PROFILES_FILE).read_bytes()
    yield from _DECODER.decode(gzip.decompress(packed))
    yield from own_content()


def own_content() -> Iterator[Json]:
    """Read what this product defines, in the order of the files' names."""
    yield from _files("content")


def further_parameters() -> Iterator[Json]:
    """Read the SearchParameters beyond R4's, in the order of the files' names."""
    yield from _files("parameters")


def _files(name: str) -> Iterator[Json]:
    folder = resources.files(_PACKAGE).joinpath(name)
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".json"):
            yield _DECODER.decode(file.read_bytes())


def own_package() -> bytes:
    """Return what this product defines as a FHIR package (.tgz); the same content gives the same bytes."""
    resources_ = list(own_content())
    version = max(str(one.get("version", "")) for one in resources_)
    manifest = {
        "name": PACKAGE_NAME,
        "version": version,
        "canonical": BASE.rstrip("/"),
        "title": "Conformance content of a FHIR server for home dialysis safety",
        "fhirVersions": ["4.0.1"],
        "type": "fhir.ig",
        "license": "Apache-2.0",
        "dependencies": {"hl7.fhir.r4.core": "4.0.1"},
    }
    files = {"package.json": json.dumps(manifest, indent=2).encode()}
    for one in resources_:
        files[f"{one['resourceType']}-{one['id']}.json"] = msgspec.json.encode(one)
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(unpacked.getvalue(), compresslevel=9, mtime=0)
