"""$lookup: what a code system says about one of its codes.

Spec: https://hl7.org/fhir/R4/codesystem-operation-lookup.html
"""

from collections.abc import Iterator
from typing import Any, Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import CORE, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input, Parameters
from fhirserver.interactions.operations.terminology_input import coding_of, loaded
from fhirserver.kernel.errors import BadRequest, NotFound
from fhirserver.kernel.resource import Json
from fhirserver.terminology import ucum
from fhirserver.terminology.code_system import CodeSystem, Concept
from fhirserver.terminology.judgement import Coding, preferred_display

Row = dict[str, Any]


async def lookup(context: Context, call: Call) -> Answer:
    """Return Parameters: name, version, display, definition, designation and property."""
    terminology = loaded(context, "CodeSystem")
    coding = _asked(call.parameters)
    system = coding.system or ""
    if system == ucum.SYSTEM:
        return Answer({"resourceType": "Parameters", "parameter": list(_of_unit(coding.code))})
    found = terminology.require_code_system(system, coding.version)
    concept = found.find(coding.code)
    if concept is None:
        raise NotFound(f"The code {coding.code[:100]!r} is not in {system}.")
    rows = list(_told(found, concept, call.parameters))
    return Answer({"resourceType": "Parameters", "parameter": rows})


def _asked(given: Parameters) -> Coding:
    if ("coding" in given) == ("code" in given):
        message = "Give either coding, or code and system."
        raise BadRequest(message)
    if "coding" in given:
        coding = coding_of(given.structure("coding"))
    else:
        coding = Coding(given.text("code") or "", given.text("system"), given.text("version"))
    if coding.system is None:
        message = "Name the system of the code."
        raise BadRequest(message)
    return coding


def _of_unit(code: str) -> Iterator[Row]:
    base = ucum.canonical_code(code)
    if base is None:
        raise NotFound(f"The code {code[:100]!r} is not in {ucum.SYSTEM}.")
    yield {"name": "name", "valueString": "UCUM"}
    yield {"name": "display", "valueString": code}
    yield _property("canonical", "valueCode", base)


def _told(system: CodeSystem, concept: Concept, given: Parameters) -> Iterator[Row]:
    wanted = frozenset(given.texts("property"))
    language = given.text("displayLanguage")

    def asked(name: str) -> bool:
        return not wanted or name in wanted

    yield {"name": "name", "valueString": system.name or system.url}
    if system.version is not None:
        yield {"name": "version", "valueString": system.version}
    display = preferred_display(concept.display, concept.designations, language)
    yield {"name": "display", "valueString": display or concept.code}
    if concept.definition is not None and asked("definition"):
        yield {"name": "definition", "valueString": concept.definition}
    if asked("designation"):
        yield from (
            {"name": "designation", "part": _designation(row)} for row in concept.designations
        )
    if asked("inactive"):
        yield _property("inactive", "valueBoolean", concept.inactive)
    for name, related in (("parent", concept.parents), ("child", concept.children)):
        if asked(name):
            yield from (_property(name, "valueCode", code) for code in related)
    for one in concept.properties:
        if asked(one.code) and one.code not in ("parent", "child", "subsumedBy", "inactive"):
            yield _property(one.code, one.element, one.value)


def _property(code: str, element: str, value: Any) -> Row:
    parts = [{"name": "code", "valueCode": code}, {"name": "value", element: value}]
    return {"name": "property", "part": parts}


def _designation(row: Json) -> list[Row]:
    parts = (("language", "valueCode"), ("use", "valueCoding"), ("value", "valueString"))
    return [{"name": name, element: row[name]} for name, element in parts if name in row]


LOOKUP: Final = Operation(
    code="lookup",
    levels=TYPE,
    types=frozenset({"CodeSystem"}),
    affects_state=False,
    run=lookup,
    inputs=(
        Input("code", "code"),
        Input("system", "uri"),
        Input("version"),
        Input("coding", "Coding"),
        Input("displayLanguage", "code"),
        Input("property", "code", most=None),
    ),
    definition=CORE + "CodeSystem-lookup",
)
