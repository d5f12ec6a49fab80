"""R4's own code systems, value sets and concept maps, as shipped with this package.

The data file is made by `fhirserver.terminology.compile`. It is read at the first question about
terminology, and each resource of it stays raw bytes until somebody asks for that one.

Spec: https://hl7.org/fhir/R4/terminologies-systems.html
"""

import gzip
from functools import lru_cache
from importlib import resources
from typing import Final, Literal

import msgspec

from fhirserver.kernel.resource import Json

DATA_FILE: Final = "r4-terminology.json.gz"

Kind = Literal["CodeSystem", "ValueSet", "ConceptMap"]


class _File(msgspec.Struct, frozen=True):
    CodeSystem: dict[str, msgspec.Raw]
    ValueSet: dict[str, msgspec.Raw]
    ConceptMap: dict[str, msgspec.Raw]


def base_canonical(kind: Kind, url: str) -> Json | None:
    """Return R4's resource of that kind and canonical URL (without version), None without one."""
    raw: msgspec.Raw | None = getattr(_file(), kind).get(url)
    return None if raw is None else msgspec.json.decode(raw, type=Json)


def base_urls(kind: Kind) -> tuple[str, ...]:
    """Return the canonical URLs of R4's resources of that kind, in alphabetical order."""
    return tuple(getattr(_file(), kind))


@lru_cache(maxsize=1)
def _file() -> _File:
    packed = resources.files("fhirserver.terminology").joinpath(DATA_FILE).read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=_File)
