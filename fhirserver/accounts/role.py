"""What an account may act as: one kind of principal and the resource that stands for it, given by an administrator."""

from dataclasses import dataclass

from fhirserver.interactions.admission import ID
from fhirserver.interactions.operations.issue_token import ACTS_AS
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.principal import Principal, PrincipalKind


@dataclass(frozen=True, slots=True, order=True)
class Role:
    """`reference` (``Practitioner/nina``) is empty for an administrator."""

    kind: PrincipalKind
    reference: str

    def principal(self, tenant: int) -> Principal:
        """Return who acts."""
        return Principal(tenant, self.kind, self.reference)


def read_role(text: str) -> Role:
    """Return the role written ``kind:Type/id``, or ``admin``. Raises `BadRequest` saying what is wrong."""
    kind, _, reference = text.partition(":")
    known = ACTS_AS.get(kind)
    if known is None:
        message = f"{kind!r} is none of: {', '.join(ACTS_AS)}."
        raise BadRequest(message)
    name, types = known
    type_, _, id_ = reference.partition("/")
    if not types:
        if reference:
            message = f"{kind} acts as no resource."
            raise BadRequest(message)
    elif type_ not in types or ID.fullmatch(id_) is None:
        message = f"{kind} acts as one of: {', '.join(sorted(types))}; write {kind}:Type/id."
        raise BadRequest(message)
    return Role(name, reference)
