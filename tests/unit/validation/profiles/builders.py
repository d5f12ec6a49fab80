"""Small profiles and resources for the tests of profile validation."""

from typing import Any

from fhirserver.definitions import Definitions, load
from fhirserver.kernel.errors import Problem
from fhirserver.validation.profiles import validate_profiles

Json = dict[str, Any]

CORE = "http://hl7.org/fhir/StructureDefinition/"
BASE = "http://example.org/StructureDefinition/"


def row(id_: str, **rules: Any) -> Json:
    """An ElementDefinition; the slice name and the path are told by the id."""
    last = id_.rpartition(".")[2].partition(":")[2]
    path = ".".join(step.partition(":")[0] for step in id_.split("."))
    return {"id": id_, "path": path, **({"sliceName": last} if last else {}), **rules}


def profile(name: str, type_: str, *rows: Json, base: str | None = None, **more: Any) -> Json:
    """A profile with a differential alone."""
    return {
        "resourceType": "StructureDefinition",
        "url": BASE + name,
        "name": name,
        "status": "active",
        "kind": "resource" if type_[0].isupper() else "complex-type",
        "abstract": False,
        "type": type_,
        "baseDefinition": base or CORE + type_,
        "derivation": "constraint",
        "differential": {"element": [row(type_), *rows]},
        **more,
    }


def extension(name: str, *rows: Json, context: str = "Element") -> Json:
    """An extension definition; its url is fixed."""
    return profile(
        name,
        "Extension",
        row("Extension.url", fixedUri=BASE + name),
        *rows,
        kind="complex-type",
        context=[{"type": "element", "expression": context}],
    )


def sliced(*discriminators: tuple[str, str], rules: str = "open", ordered: bool = False) -> Json:
    """The slicing of an element by (type, path) discriminators."""
    return {
        "discriminator": [{"type": kind, "path": path} for kind, path in discriminators],
        "rules": rules,
        "ordered": ordered,
    }


def definitions(*resources: Json) -> Definitions:
    """R4 with `resources` on top."""
    return load().extended(resources, frozenset())


def problems(resource: Json, *loaded: Json, against: str | None = None) -> list[Problem]:
    """What is wrong with `resource` under the profile loaded first (or `against`)."""
    url = loaded[0]["url"] if against is None else against
    return validate_profiles(resource, definitions(*loaded), [url])


def faults(resource: Json, *loaded: Json, against: str | None = None) -> list[tuple[str, str]]:
    """The errors as (issue code, location)."""
    found = problems(resource, *loaded, against=against)
    return [(one.code, one.expression) for one in found if one.severity == "error"]


def observation(**more: Any) -> Json:
    """A valid Observation."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]},
        **more,
    }


def patient(**more: Any) -> Json:
    """A valid Patient."""
    return {"resourceType": "Patient", **more}
