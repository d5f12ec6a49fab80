"""$issue-token: a bearer token for somebody, made by an administrator.

The token acts as one resource: a Practitioner, a RelatedPerson, a Patient. What it may see follows
from that resource's CareTeam memberships at the moment of each request, never from the token.
"""

from typing import Final

from fhirserver.interactions.admission import ID
from fhirserver.interactions.context import Context
from fhirserver.interactions.parameters import parameters, values
from fhirserver.kernel.errors import BadRequest, Forbidden, Gone, NotFound, Unprocessable
from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.kernel.resource import Json

# Which resource types a kind of caller can act as; an administrator acts as none.
ACTS_AS: Final[dict[str, tuple[PrincipalKind, frozenset[str]]]] = {
    "admin": ("admin", frozenset()),
    "practitioner": ("practitioner", frozenset({"Practitioner", "PractitionerRole"})),
    "related-person": ("related-person", frozenset({"RelatedPerson"})),
    "patient": ("patient", frozenset({"Patient"})),
}
DEFAULT_LIFETIME_S: Final = 12 * 3600
MAX_LIFETIME_S: Final = 366 * 24 * 3600
_NAMES = frozenset({"kind", "reference", "lifetime"})


async def issue_token(context: Context, body: Json | None) -> Json:
    """Return Parameters: token (shown this once), kind, reference and lifetime in seconds.

    `body`: kind (code: admin, practitioner, related-person, patient), reference (string, except for
    admin), lifetime (positiveInt, seconds, at most 366 days, 12 hours when missing). Raises
    `Forbidden` (not an administrator), `BadRequest`, and `Unprocessable` when the reference names
    nothing.
    """
    if not context.access.everything:
        message = "Only an administrator issues tokens."
        raise Forbidden(message)
    given = values(body, _NAMES)
    principal = _principal(context.tenant, given)
    lifetime = _lifetime(given.get("lifetime", DEFAULT_LIFETIME_S))
    await _require_person(context, principal)
    token = await context.store.issue_token(principal, lifetime)
    rows: list[tuple[str, str, object]] = [
        ("token", "valueString", token),
        ("kind", "valueCode", principal.kind),
        ("lifetime", "valuePositiveInt", lifetime),
    ]
    if principal.reference:
        rows.append(("reference", "valueString", principal.reference))
    return parameters(*rows)


def _principal(tenant: int, given: dict[str, object]) -> Principal:
    known = ACTS_AS.get(str(given.get("kind")))
    if known is None:
        message = f"kind is one of: {', '.join(ACTS_AS)}."
        raise BadRequest(message)
    kind, types = known
    reference = given.get("reference", "")
    if isinstance(reference, dict):
        reference = reference.get("reference", "")
    if not isinstance(reference, str):
        message = "reference is a string such as Practitioner/123."
        raise BadRequest(message)
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


def _lifetime(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_LIFETIME_S:
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
