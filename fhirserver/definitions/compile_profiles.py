"""Compiles R4's own profiles and extensions into the data file that ships beside the base types.

    python -m fhirserver.definitions.compile_profiles DIRECTORY_OR_TGZ [OUTPUT]

Kept of a StructureDefinition is what validation needs: what it is, where it may be used, and its
differential without the explanations. Snapshots are left out; they are made from the
differentials (`fhirserver.validation.profiles.snapshot`). The same input gives the same bytes.

Spec: https://hl7.org/fhir/R4/profilelist.html, https://hl7.org/fhir/R4/extensibility-registry.html
"""

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from fhirserver.definitions.reduced import reduced_elements
from fhirserver.definitions.shipped import PROFILES_FILE
from fhirserver.definitions.source import FHIR_VERSION, Json, contents

FILES = ("profiles-others.json", "extension-definitions.json", "profiles-types.json")

KEPT = (
    *("resourceType", "id", "url", "version", "name", "title", "status", "fhirVersion", "kind"),
    *("abstract", "context", "contextInvariant", "type", "baseDefinition", "derivation"),
)


def profiles(path: Path) -> Iterator[Json]:
    """Go through the profiles and extensions of 4.0.1, those on datatypes too, reduced to what is kept of them."""
    for _name, content in contents(path, FILES):
        for entry in json.loads(content)["entry"]:
            resource = entry["resource"]
            if _is_profile(resource):
                yield _reduced(resource)


def _is_profile(resource: Json) -> bool:
    is_r4 = resource.get("fhirVersion") == FHIR_VERSION
    return is_r4 and resource.get("derivation") == "constraint"


def _reduced(resource: Json) -> Json:
    kept = {name: resource[name] for name in KEPT if name in resource}
    elements = reduced_elements(resource["differential"]["element"])
    return {**kept, "differential": {"element": elements}}


def main(arguments: list[str]) -> int:
    """Write the data file; 2 on wrong usage."""
    if len(arguments) not in (1, 2):
        sys.stderr.write(
            "usage: python -m fhirserver.definitions.compile_profiles DIRECTORY_OR_TGZ [OUT]\n"
        )
        return 2
    here = Path(__file__).with_name(PROFILES_FILE)
    output = Path(arguments[1]) if len(arguments) > 1 else here
    found = sorted(profiles(Path(arguments[0])), key=lambda one: str(one["url"]))
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    output.write_bytes(packed)
    sys.stdout.write(f"{output.name}: {len(packed)} bytes, {len(found)} definitions\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
