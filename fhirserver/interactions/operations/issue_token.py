"""$issue-token: a bearer token for somebody, made by an administrator.

The token acts as one resource: a Practitioner, a RelatedPerson, a Patient. What it may see follows
from that resource's CareTeam memberships at the moment of each request, never from the token.
"""

from typing import Final

from fhirserver.interactions.admission import ID
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import SYSTEM, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input, Parameters
from fhirserver.interactions.parameters import parameters
from fhirserver.kernel.errors import BadRequest, Gone, NotFound, Unprocessable
from fhirserver.kernel.principal import Principal, PrincipalKind

# Which resource types a kind of caller can act as; an administrator acts as none.
ACTS_AS: Final[dict[str, tuple[PrincipalKind, frozenset[str]]]] = {
    "admin": ("admin", frozenset()),
    "practitioner": ("practitioner", frozenset({"Practitioner", "PractitionerRole"})),
    "clinic-admin": ("clinic-admin", frozenset({"Practitioner", "PractitionerRole"})),
    "technician": ("technician", frozenset({"Practitioner", "PractitionerRole"})),
    "related-person": ("related-person", frozenset({"RelatedPerson"})),
    "patient": ("patient", frozenset({"Patient"})),
}
DEFAULT_LIFETIME_S: Final = 12 * 3600
MAX_LIFETIME_S: Final = 366 * 24 * 3600


async def issue_token(context: Context, call: Call) -> Answer:
    """Return Parameters: token (shown this once), kind, reference and lifetime in seconds.

    Takes kind (code: a key of `ACTS_AS`), reference (string, except for
    admin), lifetime (positiveInt, seconds, at most 366 days, 12 hours when missing). Raises
    `BadRequest`, and `Unprocessable` when the reference names nothing.
    """
    principal = _principal(context.tenant, call.parameters)
    lifetime = _lifetime(call.parameters.number("lifetime") or DEFAULT_LIFETIME_S)
    await _require_person(context, principal)
    token = await context.store.issue_token(principal, lifetime)
    rows: list[tuple[str, str, object]] = [
        ("token", "valueString", token),
        ("kind", "valueCode", principal.kind),
        ("lifetime", "valuePositiveInt", lifetime),
    ]
    if principal.reference:
        rows.append(("reference", "valueString", principal.reference))
    return Answer(parameters(*rows))


def _principal(tenant: int, given: Parameters) -> Principal:
    known = ACTS_AS.get(given.text("kind") or "")
    if known is None:
        message = f"kind is one of: {', '.join(ACTS_AS)}."
        raise BadRequest(message)
    kind, types = known
    reference = given.text("reference") or ""
    if not types:
        if reference:
            message = f"A token of kind {kind} acts as no resource."
            raise BadRequest(message)
        return Principal(tenant, kind, "")
    type_, _, id_ = reference.partition("/")
    if type_ not in types or ID.fullmatch(id_) is None:
        message = (
            f"A token of kind {kind} acts as one of: {', '.join(sorted(types))}; give Type/id."
        )
        raise BadRequest(message)
    return Principal(tenant, kind, reference)


def _lifetime(value: int) -> int:
    if value > MAX_LIFETIME_S:
        message = f"lifetime is a number of seconds from 1 to {MAX_LIFETIME_S}."
        raise BadRequest(message)
    return value


async def _require_person(context: Context, principal: Principal) -> None:
    if not principal.reference:
        return
    type_, _, id_ = principal.reference.partition("/")
    try:
        await context.store.read(context.access, type_, id_)
    except (NotFound, Gone):
        message = f"{principal.reference} is not known."
        raise Unprocessable(message) from None


ISSUE_TOKEN: Final = Operation(
    "issue-token",
    SYSTEM,
    None,
    affects_state=True,
    run=issue_token,
    inputs=(Input("kind", "code", least=1), Input("reference"), Input("lifetime", "positiveInt")),
    administrators=True,
)
