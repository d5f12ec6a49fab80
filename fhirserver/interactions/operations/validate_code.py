"""$validate-code: is a code in a value set, or in a code system?

Spec: https://hl7.org/fhir/R4/valueset-operation-validate-code.html,
https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import CORE, INSTANCE, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.operations.terminology_input import (
    codings,
    exactly_one,
    loaded,
    sound,
    stored,
    value_set,
)
from fhirserver.interactions.parameters import parameters
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json
from fhirserver.terminology import Terminology
from fhirserver.terminology.judgement import Coding, Judgement, in_code_system, in_value_set

_VALUE_SET_ONLY: Final = ("valueSet", "valueSetVersion", "context", "system", "systemVersion")
_CODE_SYSTEM_ONLY: Final = ("codeSystem", "version")


async def validate_code(context: Context, call: Call) -> Answer:
    """Return Parameters: result (boolean), message (why not), display, and the code it is about."""
    given = call.parameters
    strangers = _CODE_SYSTEM_ONLY if call.type == "ValueSet" else _VALUE_SET_ONLY
    for name in strangers:
        if name in given:
            message = f"{call.type}/$validate-code has no parameter {name!r}."
            raise BadRequest(message)
    if call.type == "ValueSet":
        stated = codings(given, given.text("system"))
        _resource, members = await value_set(context, call)
        verdict = in_value_set(
            members,
            stated,
            abstract=given.flag("abstract", default=True),
            language=given.text("displayLanguage"),
        )
    else:
        verdict = await _in_code_system(context, call)
    return Answer(_told(verdict))


async def _in_code_system(context: Context, call: Call) -> Judgement:
    terminology, given = loaded(context, "CodeSystem"), call.parameters
    stated = codings(given, None)
    handed: Json | None = None
    if call.id:
        handed = await stored(context, call)
    elif "codeSystem" in given:
        handed = sound(given.resource("codeSystem") or {})
    if handed is not None:
        exactly_one(call, ("url", "codeSystem"), "the code system")
        system = str(handed.get("url", "")) or "#"
        extended = context.definitions.extended([{**handed, "url": system}], frozenset())
        terminology = Terminology(extended)
    elif "url" in given:
        system = given.text("url") or ""
    elif stated[0].system is not None:
        system = stated[0].system
    else:
        message = "Name the code system: by an instance's URL, by url, or in the coding."
        raise BadRequest(message)
    version = given.text("version")
    verdict = Judgement(right=False, message=f"There is no code of {system[:200]}.")
    for one in stated:
        if one.system in (None, system):
            coding = Coding(one.code, system, version or one.version, one.display)
            verdict = in_code_system(
                terminology,
                system,
                coding,
                abstract=given.flag("abstract", default=True),
                language=given.text("displayLanguage"),
            )
            if verdict.right:
                break
    return verdict


def _told(verdict: Judgement) -> Json:
    rows: list[tuple[str, str, object]] = [("result", "valueBoolean", verdict.right)]
    if verdict.message is not None:
        rows.append(("message", "valueString", verdict.message))
    if verdict.display is not None:
        rows.append(("display", "valueString", verdict.display))
    if verdict.coding is not None:
        rows.append(("code", "valueCode", verdict.coding.code))
        if verdict.coding.system is not None:
            rows.append(("system", "valueUri", verdict.coding.system))
        if verdict.coding.version is not None:
            rows.append(("version", "valueString", verdict.coding.version))
    return parameters(*rows)


VALIDATE_CODE: Final = Operation(
    code="validate-code",
    levels=TYPE | INSTANCE,
    types=frozenset({"ValueSet", "CodeSystem"}),
    affects_state=False,
    run=validate_code,
    inputs=(
        Input("url", "uri"),
        Input("valueSet", "ValueSet"),
        Input("valueSetVersion"),
        Input("codeSystem", "CodeSystem"),
        Input("version"),
        Input("context", "uri"),
        Input("code", "code"),
        Input("system", "uri"),
        Input("systemVersion"),
        Input("display"),
        Input("coding", "Coding"),
        Input("codeableConcept", "CodeableConcept"),
        Input("abstract", "boolean"),
        Input("displayLanguage", "code"),
    ),
    definition=CORE + "ValueSet-validate-code",
)
