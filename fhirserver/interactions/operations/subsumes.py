"""$subsumes: is one code of a code system a kind of the other?

Spec: https://hl7.org/fhir/R4/codesystem-operation-subsumes.html
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import CORE, INSTANCE, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input, Parameters
from fhirserver.interactions.operations.terminology_input import coding_of, loaded, stored
from fhirserver.interactions.parameters import parameters
from fhirserver.kernel.errors import BadRequest, NotFound
from fhirserver.terminology.code_system import CodeSystem
from fhirserver.terminology.judgement import Coding


async def subsumes(context: Context, call: Call) -> Answer:
    """Return Parameters with outcome: equivalent, subsumes, subsumed-by or not-subsumed."""
    terminology, given = loaded(context, "CodeSystem"), call.parameters
    first, second = _asked(given, "A"), _asked(given, "B")
    systems = {one for one in (given.text("system"), first.system, second.system) if one}
    if call.id:
        resource = await stored(context, call)
        systems.add(str(resource.get("url", "")))
        system = CodeSystem(resource)
    if len(systems) != 1:
        message = "Name one system: both codes must be of the same."
        raise BadRequest(message)
    (url,) = systems
    if not call.id:
        version = given.text("version") or first.version
        system = terminology.require_code_system(url, version)
    for coding in (first, second):
        if system.find(coding.code) is None:
            raise NotFound(f"The code {coding.code[:100]!r} is not in {url}.")
    relation = system.subsumes(first.code, second.code)
    return Answer(parameters(("outcome", "valueCode", relation)))


def _asked(given: Parameters, letter: str) -> Coding:
    code, coding = given.text(f"code{letter}"), given.structure(f"coding{letter}")
    if (code is None) == (coding is None):
        message = f"Give either code{letter} or coding{letter}."
        raise BadRequest(message)
    return coding_of(coding) if code is None else Coding(code)


SUBSUMES: Final = Operation(
    code="subsumes",
    levels=TYPE | INSTANCE,
    types=frozenset({"CodeSystem"}),
    affects_state=False,
    run=subsumes,
    inputs=(
        Input("codeA", "code"),
        Input("codeB", "code"),
        Input("system", "uri"),
        Input("version"),
        Input("codingA", "Coding"),
        Input("codingB", "Coding"),
    ),
    definition=CORE + "CodeSystem-subsumes",
)
