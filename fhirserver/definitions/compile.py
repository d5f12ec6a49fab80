"""Compiles HL7's R4 definitions into the one data file the server loads.

    python -m fhirserver.definitions.compile DIRECTORY_OR_TGZ [OUTPUT]

Structures are built from each definition's *differential* (what HL7 wrote) on top of its base,
never from its snapshot: the npm package edits snapshots, and the differential of a 4.0.1
definition lists every element of its own in full. Where the two disagree, the disagreement is
printed. The same input always gives the same bytes.

Spec: https://hl7.org/fhir/R4/structuredefinition.html, https://hl7.org/fhir/R4/compartmentdefinition.html
"""

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from fhirserver.definitions.expansion import expand
from fhirserver.definitions.loader import DATA_FILE
from fhirserver.definitions.source import FHIR_VERSION, BadSourceError, Json, Source, read_source
from fhirserver.definitions.union import head, union_parts

CORE = "http://hl7.org/fhir/StructureDefinition/"
FHIR_TYPE = CORE + "structuredefinition-fhir-type"
REGEX = CORE + "regex"

INHERITED_KEYS = {"ele-1", "ext-1"}
"""Invariants that snapshots repeat on every element of a type that has them."""

RESTORED_COMPARTMENTS: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {
    # (compartment, type) -> (parameters in 4.0.1, why the row stands here)
    ("Patient", "Encounter"): (("patient",), "the package's separate file says `subject`"),
    ("Patient", "Task"): ((), "the package's separate file adds `patient` and `focus`"),
}

ADDED_ELEMENTS: dict[str, str] = {
    # path that even the package's differential has, and 4.0.1 has not -> why we know
    "ResearchStudy.studyDesign": "added by R5; https://hl7.org/fhir/R4/researchstudy.html lacks it",
}

CORRECTED_TYPES: dict[str, tuple[str, str]] = {
    # path -> (type, why)
    "Resource.id": (
        "id",
        "the 4.0.1 definition file says string, https://hl7.org/fhir/R4/resource.html says id",
    ),
}

CORRECTED_EXPRESSIONS: dict[str, tuple[str, str]] = {
    # search parameter -> (expression, why)
    "http://hl7.org/fhir/SearchParameter/InsurancePlan-name": (
        "InsurancePlan.name | InsurancePlan.alias",
        "4.0.1 leaves out the type in front, unlike every other expression",
    ),
}


def compile_definitions(source: Source) -> Json:
    """Return the content of the data file.

    Raises BadSourceError or NotEnumerableError when the package lacks something 4.0.1 has.
    """
    structures = {
        name: _structure(definition) for name, definition in sorted(_compiled(source).items())
    }
    resource_types = [
        name
        for name, row in structures.items()
        if row["kind"] == "resource" and not row.get("abstract")
    ]
    required = sorted(set(_required_value_sets(structures.values())))
    return {
        "fhirVersion": FHIR_VERSION,
        "resourceTypes": {name: number for number, name in enumerate(resource_types, start=1)},
        "structures": structures,
        "valueSets": {url: expand(source, url) for url in required},
        "searchParameters": _search_parameters(source),
        "compartments": _compartments(source),
    }


def snapshot_edits(source: Source) -> Iterator[str]:
    """One line for each element whose snapshot was changed against HL7's own differential."""
    for name, definition in sorted(_compiled(source).items()):
        own = {row["path"]: row for row in definition["differential"]["element"]}
        for row in definition["snapshot"]["element"]:
            path = row["path"]
            if path == name:
                continue
            if path not in own:
                if row["base"]["path"] == path:
                    yield f"{path}: not in 4.0.1"
            elif _rules_of(row) != _rules_of(own[path]):
                yield f"{path}: changed"
        shown = {row["path"] for row in definition["snapshot"]["element"]}
        yield from (f"{path}: removed" for path in own if path not in shown)


def _rules_of(row: Json) -> tuple[object, ...]:
    """What the compiled file takes over from an element, to compare two versions of it."""
    types = [(one["code"], sorted(one.get("targetProfile", []))) for one in row.get("type", [])]
    binding = row.get("binding", {})
    value_set = binding.get("valueSet", "").split("|")[0]
    keys = [one["key"] for one in row.get("constraint", []) if one["key"] not in INHERITED_KEYS]
    limits = row.get("min"), row.get("max")
    return types, limits, binding.get("strength"), value_set, sorted(keys)


def _compiled(source: Source) -> dict[str, Json]:
    """Return the definitions that become structures, by name.

    Profiles (SimpleQuantity, MoneyQuantity) and the logical MetadataResource describe no type
    of their own.
    """
    return {
        definition["name"]: definition
        for definition in source.structures.values()
        if definition.get("derivation") != "constraint" and definition["kind"] != "logical"
    }


def _structure(definition: Json) -> Json:
    name = definition["name"]
    rows = definition["differential"]["element"]
    out: Json = {"kind": definition["kind"]}
    if definition["abstract"]:
        out["abstract"] = True
    if "baseDefinition" in definition:
        out["base"] = definition["baseDefinition"].removeprefix(CORE)
    _set(out, "constraints", _constraints(rows[0]))
    if definition["kind"] == "primitive-type":
        _set(out, "pattern", _pattern(rows))
        return out
    _set(out, "elements", _elements(rows, name))
    return out


def _elements(rows: list[Json], parent: str) -> list[Json]:
    prefix = parent + "."
    return [
        _element(rows, row)
        for row in rows
        if row["path"].startswith(prefix)
        and "." not in row["path"][len(prefix) :]
        and row["path"] not in ADDED_ELEMENTS
    ]


def _element(rows: list[Json], row: Json) -> Json:
    path: str = row["path"]
    name = path.rpartition(".")[2]
    out: Json = {
        "name": name.removesuffix("[x]"),
        "min": row["min"],
        "max": None if row["max"] == "*" else int(row["max"]),
    }
    _set(out, "types", [_type(path, one) for one in row.get("type", [])])
    _set(out, "choice", name.endswith("[x]"))
    _set(out, "modifier", row.get("isModifier", False))
    _set(out, "summary", row.get("isSummary", False))
    binding = row.get("binding")
    if binding is not None and "valueSet" in binding:
        out["binding"] = [binding["strength"], binding["valueSet"].split("|")[0]]
    if "contentReference" in row:
        out["contentReference"] = row["contentReference"].removeprefix("#")
    _set(out, "constraints", _constraints(row))
    children = _elements(rows, path)
    _set(out, "elements", children)
    return out


def _type(path: str, row: Json) -> Json:
    code = row["code"]
    for extension in row.get("extension", []):
        if extension["url"] == FHIR_TYPE:
            code = extension["valueUrl"]
    if path in CORRECTED_TYPES:
        code = CORRECTED_TYPES[path][0]
    out: Json = {"code": code}
    _set(out, "targets", [one.removeprefix(CORE) for one in row.get("targetProfile", [])])
    profiles = [one.removeprefix(CORE) for one in row.get("profile", [])]
    if profiles:
        (out["profile"],) = profiles
    return out


def _constraints(row: Json) -> list[list[str]]:
    return [
        [one["key"], one["severity"], one["human"], one["expression"]]
        for one in row.get("constraint", [])
        if "expression" in one
    ]


def _pattern(rows: list[Json]) -> str | None:
    for row in rows:
        if row["path"].endswith(".value"):
            for one in row["type"][0].get("extension", []):
                if one["url"] == REGEX:
                    return str(one["valueString"])
    return None


def _required_value_sets(rows: Iterable[Json]) -> Iterator[str]:
    for row in rows:
        binding = row.get("binding")
        if binding is not None and binding[0] == "required":
            yield binding[1]
        yield from _required_value_sets(row.get("elements", []))


def _search_parameters(source: Source) -> dict[str, list[Json]]:
    """Compile the parameters by type: those that HL7's CapabilityStatement lists, all of them."""
    by_type: dict[str, list[Json]] = {}
    for definition in source.search_parameters.values():
        for base in definition["base"]:
            if base in source.listed and definition["code"] not in source.listed[base]:
                source.left_out.append(
                    f"SearchParameter {definition['url']}: not listed for {base}"
                )
                continue
            by_type.setdefault(base, []).append(_search_parameter(source, definition, base))
    for base, codes in source.listed.items():
        compiled = {row["code"] for row in by_type.get(base, [])}
        missing = sorted(one for one in codes - compiled if not one.startswith("_"))
        if missing:
            raise BadSourceError(f"{base} lacks the search parameters {', '.join(missing)}")
    return {
        base: sorted(rows, key=lambda row: str(row["code"]))
        for base, rows in sorted(by_type.items())
    }


def _search_parameter(source: Source, definition: Json, base: str) -> Json:
    url = definition["url"]
    out: Json = {"code": definition["code"], "type": definition["type"], "url": url}
    expression = definition.get("expression")
    if url in CORRECTED_EXPRESSIONS:
        expression = CORRECTED_EXPRESSIONS[url][0]
    if expression is not None:
        parts = [part for part in union_parts(expression) if head(part) == base]
        if not parts:
            raise BadSourceError(f"{url} says nothing about {base}: {expression}")
        out["expression"] = " | ".join(parts)
    _set(out, "target", definition.get("target"))
    components = []
    for component in definition.get("component", []):
        part = source.search_parameters.get(component["definition"])
        if part is None:
            raise BadSourceError(f"{url} names the unknown parameter {component['definition']}")
        components.append(
            {
                "code": part["code"],
                "type": part["type"],
                "expression": component["expression"],
                "url": part["url"],
            }
        )
    _set(out, "components", components)
    return out


def _compartments(source: Source) -> dict[str, dict[str, list[str]]]:
    out: dict[str, dict[str, list[str]]] = {}
    for definition in source.compartments.values():
        code = definition["code"]
        rows = {row["code"]: row.get("param", []) for row in definition["resource"]}
        for (compartment, name), (parameters, _why) in RESTORED_COMPARTMENTS.items():
            if compartment == code:
                rows[name] = list(parameters)
        out[code] = {name: parameters for name, parameters in sorted(rows.items()) if parameters}
    return dict(sorted(out.items()))


def _set(out: Json, key: str, value: object) -> None:
    """Leaves empty values out: they are the loader's defaults."""
    if value:
        out[key] = value


def main(arguments: list[str]) -> int:
    """Writes the data file and prints what was left out or set right. 2 on wrong usage."""
    if len(arguments) not in (1, 2):
        sys.stderr.write("usage: python -m fhirserver.definitions.compile DIRECTORY_OR_TGZ [OUT]\n")
        return 2
    output = Path(arguments[1]) if len(arguments) > 1 else Path(__file__).with_name(DATA_FILE)
    source = read_source(Path(arguments[0]))
    content = compile_definitions(source)
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    output.write_bytes(packed)
    say = sys.stdout.write
    for line in source.left_out:
        say(f"left out, not part of {FHIR_VERSION}: {line}\n")
    for line in snapshot_edits(source):
        say(f"snapshot edited by the package, differential used: {line}\n")
    for (compartment, name), (parameters, why) in RESTORED_COMPARTMENTS.items():
        shown = ", ".join(parameters) or "no parameter"
        say(f"restored: compartment {compartment}, {name}: {shown} ({why})\n")
    for path, why in ADDED_ELEMENTS.items():
        say(f"left out: {path} ({why})\n")
    for path, (code, why) in CORRECTED_TYPES.items():
        say(f"corrected: {path} is {code} ({why})\n")
    for url, (expression, why) in CORRECTED_EXPRESSIONS.items():
        say(f"corrected: {url}: {expression} ({why})\n")
    say(f"{output.name}: {len(packed)} bytes, {len(content['resourceTypes'])} resource types\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
