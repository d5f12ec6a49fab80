"""$why-access: why somebody may or may not do something with a resource, for administrators.

The answer names memberships, policy rows, Consents and scopes; it says nothing of what the resource holds.

Spec: https://hl7.org/fhir/R4/security.html
"""

from typing import Final, cast

from fhirserver.auth.explanation import Explanation, Fact, explain
from fhirserver.auth.policy import INTERACTIONS
from fhirserver.auth.scopes import UnknownScope, read_scopes
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import SYSTEM, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input, Parameters
from fhirserver.interactions.operations.issue_token import ACTS_AS
from fhirserver.interactions.parameters import Row, parts
from fhirserver.interactions.read import read
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.principal import Grant, Principal, PrincipalKind
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json

_CLIENT: Final = "client"


async def why_access(context: Context, call: Call) -> Answer:
    """Return Parameters: `allowed`, and one `fact` per thing that was looked at.

    Takes who (a reference, or a client's id), resource (Type/id), interaction (read when missing), kind (told from
    the reference when missing), scope and patient (as a token would have them; nothing narrows when missing).
    Raises `BadRequest`, `NotFound`, `Gone`.
    """
    given = call.parameters
    grant = _grant(context.tenant, given)
    type_, _, id_ = (given.text("resource") or "").partition("/")
    if not id_ or type_ not in context.definitions.resource_types:
        message = "resource is a reference: Type/id."
        raise BadRequest(message)
    interaction = given.text("interaction") or "read"
    if interaction not in INTERACTIONS:
        message = f"interaction is one of: {', '.join(INTERACTIONS)}."
        raise BadRequest(message)
    resource = fhir_json.read((await read(context, type_, id_)).content)
    relations = await context.store.relations(grant.principal)
    now = context.store.now()
    found = explain(grant, relations, interaction, resource, now)
    return Answer(_told(found))


def _grant(tenant: int, given: Parameters) -> Grant:
    who = given.text("who") or ""
    type_ = who.partition("/")[0]
    kinds: list[str] = [kind for kind, (_, types) in ACTS_AS.items() if type_ in types]
    kind = given.text("kind") or (kinds[0] if kinds else "")
    if kind != _CLIENT and kind not in kinds:
        message = "who and kind do not fit: a Practitioner, PractitionerRole, RelatedPerson, Patient or client."
        raise BadRequest(message)
    principal = Principal(tenant, cast("PrincipalKind", kind), who)
    text = given.text("scope")
    if text is None:
        return Grant(principal, patient=given.text("patient"))
    try:
        scopes = read_scopes(text, strict=True).texts()
    except UnknownScope as unknown:
        raise BadRequest(str(unknown)) from None
    return Grant(principal, scopes, given.text("patient"))


def _told(found: Explanation) -> Json:
    facts = [{"name": "fact", "part": parts(_rows(one))} for one in found.facts]
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": "allowed", "valueBoolean": found.allowed}, *facts],
    }


def _rows(fact: Fact) -> list[Row]:
    return [
        ("about", "valueCode", fact.about),
        ("for", "valueBoolean", fact.speaks_for),
        ("text", "valueString", fact.text),
        ("patient", "valueId", fact.patient or None),
        ("source", "valueString", fact.source or None),
    ]


WHY_ACCESS: Final = Operation(
    "why-access",
    SYSTEM,
    None,
    affects_state=False,
    run=why_access,
    inputs=(
        Input("who", least=1),
        Input("resource", least=1),
        Input("interaction", "code"),
        Input("kind", "code"),
        Input("scope"),
        Input("patient", "id"),
    ),
    administrators=True,
)
