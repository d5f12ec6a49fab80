"""The access rules as interactions apply them: what is refused, and with which answer.

- Not visible is answered like absent (404), for reads and for updates alike.
- A write for a patient without relationship, or one the role never allows, is 403: the caller named
  the patient, so the refusal tells nothing that was not known.
- A role that may do something with no resource of a type is refused before anything is looked up.
"""

from dataclasses import replace

from fhirserver.auditing.trail import named
from fhirserver.auth import Interaction, allows, may_ever, shows
from fhirserver.auth.policy import judged, speaks_as
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import Forbidden, NotFound
from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Json, Stored


def absent(resource_type: str, id_: str) -> NotFound:
    """Return the one refusal for what does not exist and what this caller must not know about."""
    return NotFound(f"{resource_type}/{id_} is not known.")


def require_role(context: Context, interaction: Interaction, resource_type: str) -> None:
    """Raise `Forbidden` when role and scopes of the caller allow `interaction` on no resource of the type."""
    access = context.access
    kind = belongs_to(resource_type).kind
    if not may_ever(access, interaction, resource_type, kind):
        unnarrowed = replace(access, scopes=None)
        what = (
            "scopes do" if may_ever(unnarrowed, interaction, resource_type, kind) else "role does"
        )
        message = f"Your {what} not allow to {interaction} {resource_type}."
        raise Forbidden(message)


def require_conceivable(context: Context, resource_type: str, id_: str) -> None:
    """Raise `NotFound` where the caller can read no resource of the type: then none is looked for."""
    if not may_ever(context.access, "read", resource_type, belongs_to(resource_type).kind):
        raise absent(resource_type, id_)


def require_readable(context: Context, stored: Stored) -> Stored:
    """Return `stored`, or raise `NotFound` when the caller may not read it."""
    if not shows(context.access, stored):
        raise absent(stored.type, stored.id)
    return stored


def reads_every(context: Context, resource_type: str, patient: str) -> bool:
    """Return whether the caller reads all resources of the type in the record of `patient`, whatever they say."""
    return _covers_every(context.access, "read", resource_type, patient)


def require_reading(context: Context, resource_type: str, patient: str) -> None:
    """Raise `Forbidden` for who does not read all resources of the type in the record of `patient`."""
    if not reads_every(context, resource_type, patient):
        message = f"This tells what a {resource_type} of this patient says, which you may not read."
        raise Forbidden(message)


def require_voice(context: Context, patient: str) -> None:
    """Raise `Forbidden` for who may not write a message about `patient`: they may not act by an operation either."""
    if not _covers_every(context.access, "create", "Communication", patient):
        message = "This changes something for the patient, and you may not even write a message."
        raise Forbidden(message)


def _covers_every(
    access: Access, interaction: Interaction, resource_type: str, patient: str
) -> bool:
    patients = frozenset({patient})
    kind = belongs_to(resource_type).kind
    return "" in judged(access, interaction, resource_type, patients, kind)


def require_writable(context: Context, interaction: Interaction, resource: Json) -> None:
    """Raise `Forbidden` when the caller may not do `interaction` to `resource` as it reads."""
    access = context.access
    if access.everything:
        return
    resource_type = resource["resourceType"]
    if not allows(access, interaction, resource):
        named(resource)
        message = (
            f"You may not {interaction} this {resource_type}: it names a patient you have no "
            "current relationship "
            "with, no patient at all, or your role or your scopes do not allow it."
        )
        raise Forbidden(message)
    own_words = speaks_as(access, resource_type)
    if own_words is not None:
        element, reference = own_words
        spoken = resource.get(element)
        if not isinstance(spoken, dict) or spoken.get("reference") != reference:
            message = f"You may write a {resource_type} only in your own name ({reference})."
            raise Forbidden(message, expression=f"{resource_type}.{element}")
