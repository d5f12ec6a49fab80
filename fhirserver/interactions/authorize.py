"""The access rules as interactions apply them: what is refused, and with which answer.

- Not visible is answered like absent (404), for reads and for updates alike.
- A write for a patient without relationship, or one the role never allows, is 403: the caller named
  the patient, so the refusal tells nothing that was not known.
- A role that may do something with no resource of a type is refused before anything is looked up.
"""

from fhirserver.auth import Interaction, may, may_ever, visible
from fhirserver.auth.policy import speaks_as
from fhirserver.definitions.patient_of import belongs_to, patients_of
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import Forbidden, NotFound
from fhirserver.kernel.resource import Json, Stored


def absent(resource_type: str, id_: str) -> NotFound:
    """Return the one refusal for what does not exist and what this caller must not know about."""
    return NotFound(f"{resource_type}/{id_} is not known.")


def require_role(context: Context, interaction: Interaction, resource_type: str) -> None:
    """Raise `Forbidden` when the caller's role allows `interaction` on no resource of the type."""
    if not may_ever(context.access, interaction, resource_type, belongs_to(resource_type).kind):
        message = f"Your role does not allow to {interaction} {resource_type}."
        raise Forbidden(message)


def require_readable(context: Context, stored: Stored) -> Stored:
    """Return `stored`, or raise `NotFound` when the caller may not read it."""
    if not visible(context.access, stored.type, stored.content):
        raise absent(stored.type, stored.id)
    return stored


def require_writable(context: Context, interaction: Interaction, resource: Json) -> None:
    """Raise `Forbidden` when the caller may not do `interaction` to `resource` as it reads."""
    access = context.access
    if access.everything:
        return
    resource_type = resource["resourceType"]
    kind = belongs_to(resource_type).kind
    if not may(access, interaction, resource_type, patients_of(resource), kind):
        message = (
            f"You may not {interaction} this {resource_type}: it names a patient you have no "
            "current relationship "
            "with, no patient at all, or your role does not allow it."
        )
        raise Forbidden(message)
    own_words = speaks_as(access, resource_type)
    if own_words is not None:
        element, reference = own_words
        spoken = resource.get(element)
        if not isinstance(spoken, dict) or spoken.get("reference") != reference:
            message = f"You may write a {resource_type} only in your own name ({reference})."
            raise Forbidden(message, expression=f"{resource_type}.{element}")
