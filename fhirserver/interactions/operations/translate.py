"""$translate: a code in the words of another code system.

The map is the instance, the one named by `url` or handed over as `conceptMap`; without any, every
loaded map that fits is asked.

Spec: https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from collections.abc import Iterable
from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import CORE, INSTANCE, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input, Parameters
from fhirserver.interactions.operations.terminology_input import (
    coding_of,
    codings,
    exactly_one,
    loaded,
    sound,
    stored,
)
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json
from fhirserver.terminology import Terminology, not_loaded
from fhirserver.terminology.judgement import Coding
from fhirserver.terminology.translation import NO_MATCH, Match, Wish, other_maps, translate

MAX_MATCHES: Final = 1_000
MAX_MAPS: Final = 10  # maps that hand on to one another

_DEPENDENCY: Final = (Input("element", "uri", 1), Input("concept", "CodeableConcept", 1))


async def translate_code(context: Context, call: Call) -> Answer:
    """Return Parameters: result, message (when there is nothing) and one match per translation."""
    terminology, given = loaded(context, "ConceptMap"), call.parameters
    stated = codings(given, given.text("system"))
    if all(one.system is None for one in stated):
        message = "Name the system of the code."
        raise BadRequest(message)
    maps = list(await _maps(context, call, terminology))
    matches: list[Match] = []
    for coding in stated:
        wish = Wish(
            Coding(coding.code, coding.system),
            given.text("targetsystem"),
            given.flag("reverse"),
            _dependencies(given),
        )
        for one in maps:
            matches += _asked_on(terminology, one, wish)
    shown = list(dict.fromkeys(map(_key, matches)))[:MAX_MATCHES]
    result = any(match.equivalence not in NO_MATCH for match in matches)
    rows: list[Json] = [{"name": "result", "valueBoolean": result}]
    if not result:
        rows.append({"name": "message", "valueString": "No map that was asked has a translation."})
    first = {_key(match): match for match in reversed(matches)}
    rows += [{"name": "match", "part": _parts(first[key])} for key in shown]
    return Answer({"resourceType": "Parameters", "parameter": rows})


async def _maps(context: Context, call: Call, terminology: Terminology) -> Iterable[Json]:
    given = call.parameters
    if call.id or "url" in given or "conceptMap" in given:
        exactly_one(call, ("url", "conceptMap"), "the concept map")
    if call.id:
        return [await stored(context, call)]
    handed = given.resource("conceptMap")
    if handed is not None:
        return [sound(handed)]
    url = given.text("url")
    if url is not None:
        version = given.text("conceptMapVersion")
        canonical = f"{url}|{version}" if version else url
        found = terminology.resource("ConceptMap", canonical)
        if found is None:
            raise not_loaded("ConceptMap", canonical)
        return [found]
    source, target = given.text("source"), given.text("target")
    return (
        one
        for one in terminology.concept_maps()
        if _scope(one, "source", source) and _scope(one, "target", target)
    )


def _scope(concept_map: Json, side: str, wanted: str | None) -> bool:
    stated = concept_map.get(f"{side}Uri", concept_map.get(f"{side}Canonical"))
    return wanted is None or stated == wanted


def _asked_on(terminology: Terminology, concept_map: Json, wish: Wish) -> list[Match]:
    """Ask a map, and where it says so the next one; a map is asked once."""
    matches: list[Match] = []
    waiting = [concept_map]
    seen: set[str | None] = set()
    while waiting and len(seen) < MAX_MAPS:
        one = waiting.pop(0)
        if one.get("url") in seen:
            continue
        seen.add(one.get("url"))
        matches += translate(one, wish)
        for canonical in other_maps(one, wish):
            other = terminology.resource("ConceptMap", canonical)
            if other is None:
                raise not_loaded("ConceptMap", canonical)
            waiting.append(other)
    return matches


def _dependencies(given: Parameters) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for part in given.parts("dependency"):
        concept = part.structure("concept") or {}
        codes = found.setdefault(part.text("element") or "", set())
        rows = concept.get("coding", [])
        codes.update(coding_of(row).code for row in (rows if isinstance(rows, list) else [rows]))
        if "text" in concept:
            codes.add(str(concept["text"]))
    return {element: frozenset(codes) for element, codes in found.items()}


def _key(match: Match) -> tuple[str, str | None, str, str]:
    return match.equivalence, match.coding.system, match.coding.code, match.source


def _parts(match: Match) -> list[Json]:
    parts: list[Json] = [{"name": "equivalence", "valueCode": match.equivalence}]
    if match.coding.code:
        stated = {
            "system": match.coding.system,
            "code": match.coding.code,
            "display": match.coding.display,
        }
        coding = {name: value for name, value in stated.items() if value is not None}
        parts.append({"name": "concept", "valueCoding": coding})
    for row in match.products:
        product = {
            "system": row.get("system"),
            "code": row.get("value"),
            "display": row.get("display"),
        }
        coding = {name: value for name, value in product.items() if value is not None}
        inner = [
            {"name": "element", "valueUri": row.get("property")},
            {"name": "concept", "valueCoding": coding},
        ]
        parts.append({"name": "product", "part": inner})
    if match.source:
        parts.append({"name": "source", "valueUri": match.source})
    return parts


TRANSLATE: Final = Operation(
    code="translate",
    levels=TYPE | INSTANCE,
    types=frozenset({"ConceptMap"}),
    affects_state=False,
    run=translate_code,
    inputs=(
        Input("url", "uri"),
        Input("conceptMap", "ConceptMap"),
        Input("conceptMapVersion"),
        Input("code", "code"),
        Input("system", "uri"),
        Input("systemVersion"),
        Input("source", "uri"),
        Input("coding", "Coding"),
        Input("codeableConcept", "CodeableConcept"),
        Input("target", "uri"),
        Input("targetsystem", "uri"),
        Input("dependency", "part", most=None, parts=_DEPENDENCY),
        Input("reverse", "boolean"),
    ),
    definition=CORE + "ConceptMap-translate",
)
