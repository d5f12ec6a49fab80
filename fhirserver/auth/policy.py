"""Whether one interaction with one resource is allowed: relationship x role x Consent x scope.

`judged` answers with the searches the resource must meet on top: rows of the policy table and scopes may have one.
What must hold:

- For every patient the resource names, some bond with that patient allows the interaction by a row of
  `fhirserver.auth.policy_table`, within what the role in the team leaves, and no Consent of that patient stands
  against it. A patient's own access and help in an emergency are not subject to Consents.
- A resource of a patient type that names no patient could be anybody's: administrators and programs only.
- A patient in the CareTeam of another patient is a `peer` there.
- `read` covers read, vread and history of one resource: whoever may not read a resource meets it nowhere. `search`
  is `read` and the scope's letter for searching on top: what one may not search for one does not find either.
- A read of what a caller may not see answers like an absent resource (404), and so does an update
  of it; a create for a patient without relationship, and a write that the role never allows, answer
  403.

Spec: https://hl7.org/fhir/R4/security.html#rbac
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, get_args
from urllib.parse import quote

from fhirserver.auth.consent import denial
from fhirserver.auth.decide import own_patient
from fhirserver.auth.policy_table import CALLER, TABLE, Audience, Interaction, Row
from fhirserver.auth.role_limits import ROLES
from fhirserver.auth.scopes import filters_for
from fhirserver.definitions.patient_of import Kind as BelongsKind
from fhirserver.kernel.principal import Access, Bond, Principal, Provision
from fhirserver.kernel.scope import Letter, Scope

# The element that says who is speaking; care partners and patients may speak only as themselves.
SPEAKER = {"Communication": "sender", "QuestionnaireResponse": "author", "Task": "owner"}
INTERACTIONS: tuple[Interaction, ...] = get_args(Interaction)

# Searches of which a resource must meet one: none of them, so refused; the empty one, so whatever it says.
Filters = frozenset[str]
NEVER: Final[Filters] = frozenset()
ALWAYS: Final[Filters] = frozenset({""})
LETTERS: Final[dict[Interaction, tuple[Letter, ...]]] = {
    "read": ("r",),
    "search": ("r", "s"),
    "create": ("c",),
    "update": ("u",),
    "delete": ("d",),
}


def may(
    access: Access,
    interaction: Interaction,
    resource_type: str,
    patients_of_resource: frozenset[str],
    belongs_kind: BelongsKind,
) -> bool:
    """Return whether `access` covers `interaction` on some resource of `resource_type`.

    `patients_of_resource` are the ids of all patients it names. The content may still have a say: `judged`.
    """
    return access.everything or bool(
        judged(access, interaction, resource_type, patients_of_resource, belongs_kind)
    )


@lru_cache(maxsize=65536)
def judged(
    access: Access,
    interaction: Interaction,
    resource_type: str,
    patients: frozenset[str],
    kind: BelongsKind,
) -> Filters:
    """Return the searches of which a resource that names `patients` must meet one; `NEVER` when it is refused."""
    if access.everything:
        return ALWAYS
    found = scoped(access, interaction, resource_type, patients, kind)
    if not found:
        return NEVER
    if not patients or access.tenant_wide:
        return both(found, _by_kind(access, interaction, resource_type, kind, named=bool(patients)))
    for patient in patients:
        found = both(found, of_patient(access, interaction, resource_type, patient, kind))
    return found


@lru_cache(maxsize=8192)
def may_ever(
    access: Access, interaction: Interaction, resource_type: str, kind: BelongsKind
) -> bool:
    """Return whether some resource of `resource_type` could be open to `access`.

    False needs no look at any.
    """
    if access.everything:
        return True
    if not _ever_scoped(access, interaction, resource_type):
        return False
    return access.principal.kind == "admin" or any(
        _allowed(audience, interaction, resource_type, kind, named=True)
        for audience in _audiences(access)
    )


def scoped(
    access: Access,
    interaction: Interaction,
    resource_type: str,
    patients: frozenset[str],
    kind: BelongsKind,
) -> Filters:
    """Return what the scopes of the token leave of `interaction`; `ALWAYS` for a token without scopes."""
    if access.scopes is None:
        return ALWAYS
    found, scopes = ALWAYS, scopes_about(access.scopes, patients, kind)
    for letter in LETTERS[interaction]:
        found = both(found, filters_for(scopes, letter, resource_type, patients, access.launch))
    return found


def scopes_about(
    scopes: tuple[Scope, ...], patients: frozenset[str], kind: BelongsKind
) -> tuple[Scope, ...]:
    """Return those of `scopes` that may be about a resource of `kind` that names `patients`."""
    if patients or kind != "patient":
        return scopes
    # It could be anybody's, so it is not the launch patient's.
    return tuple(one for one in scopes if one.context != "patient")


def of_patient(
    access: Access,
    interaction: Interaction,
    resource_type: str,
    patient: str,
    kind: BelongsKind,
) -> Filters:
    """Return what bonds with `patient` and the Consents of `patient` leave of `interaction`."""
    return either(
        by_bond(access, bond, interaction, resource_type, kind)
        for bond in bonds_with(access, patient)
        if not refused_by_consent(access, bond, resource_type, interaction)
    )


def bonds_with(access: Access, patient: str) -> tuple[Bond, ...]:
    """Return why `access` reaches `patient`: () when it does not."""
    if patient not in access.patients:
        return ()
    found = _by_patient(access).bonds.get(patient, ())
    if patient == own_patient(access.principal):
        return (*found, Bond(patient, "care-team"))
    return found or (Bond(patient, "care-team"),)


def refused_by_consent(
    access: Access, bond: Bond, resource_type: str, interaction: Interaction
) -> bool:
    """Return whether a Consent of the bond's patient stands against `interaction`."""
    if bond.basis == "break-glass" or audience_of(access, bond) == "self":
        return False
    return denial_of(access, bond.patient, resource_type, interaction) is not None


def denial_of(
    access: Access, patient: str, resource_type: str, interaction: Interaction
) -> Provision | None:
    """Return the provision of a Consent of `patient` that denies `interaction` to this caller."""
    if not access.provisions:
        return None
    return denial(
        _by_patient(access).provisions.get(patient, ()), patient, resource_type, interaction
    )


def by_bond(
    access: Access, bond: Bond, interaction: Interaction, resource_type: str, kind: BelongsKind
) -> Filters:
    """Return what one bond allows: the rows of its audience, within what its role leaves."""
    if access.principal.kind == "admin":
        return ALWAYS
    audience = audience_of(access, bond)
    if audience is None:
        return NEVER
    found = _as_asked(
        access.principal, _allowed(audience, interaction, resource_type, kind, named=True)
    )
    limit = ROLES.get(bond.role or "")
    if limit is None or audience == "self":
        return found
    if _as_row(interaction) not in limit.interactions:
        return NEVER
    if limit.types is not None and resource_type not in limit.types:
        return NEVER
    if limit.audience is None:
        return found
    return both(found, _allowed(limit.audience, interaction, resource_type, kind, named=True))


def audience_of(access: Access, bond: Bond) -> Audience | None:
    """Return whose rows count for `bond`."""
    kind = access.principal.kind
    if kind == "patient":
        return "self" if bond.patient == own_patient(access.principal) else "peer"
    if kind == "related-person":
        return "guardian" if bond.basis == "guardian" else "related-person"
    if kind == "practitioner" or kind == "technician" or kind == "clinic-admin" or kind == "client":  # noqa: PLR1714 - narrows the type
        return kind
    return None


def speaks_as(access: Access, resource_type: str) -> tuple[str, str] | None:
    """Return (element, reference) when `access` may write the type only in its own name."""
    if access.everything or access.principal.kind not in ("related-person", "patient"):
        return None
    element = SPEAKER.get(resource_type)
    return (element, access.principal.reference) if element is not None else None


def both(one: Filters, other: Filters) -> Filters:
    """Return the searches that are met where one of each side is."""
    if one == ALWAYS:
        return other
    if other == ALWAYS or not one:
        return one
    return frozenset(
        "&".join(part for part in dict.fromkeys((first, second)) if part)
        for first in one
        for second in other
    )


def either(several: Iterable[Filters]) -> Filters:
    """Return the searches that are met where those of any are."""
    found = NEVER.union(*several)
    return ALWAYS if "" in found else found


def _by_kind(
    access: Access,
    interaction: Interaction,
    resource_type: str,
    kind: BelongsKind,
    *,
    named: bool,
) -> Filters:
    """Return what the kind of caller may do with what is nobody's, or anybody's where it reaches every patient."""
    if access.principal.kind == "admin":
        return ALWAYS if named or kind != "patient" or access.tenant_wide else NEVER
    # A program makes the first resource of a patient, who has no id by then.
    whose = named or access.tenant_wide
    return either(
        _allowed(audience, interaction, resource_type, kind, named=whose)
        for audience in _audiences(access)
        if audience != "peer"
    )


def _ever_scoped(access: Access, interaction: Interaction, resource_type: str) -> bool:
    patients = frozenset[str]() if access.launch is None else frozenset({access.launch})
    return any(
        scoped(access, interaction, resource_type, one, "shared") for one in (patients, frozenset())
    )


def _as_asked(principal: Principal, filters: Filters) -> Filters:
    """Return `filters` with who asks in the place of `CALLER`."""
    if not any(CALLER in one for one in filters):
        return filters
    caller = quote(f"{principal.kind} {principal.reference}", safe="")
    return frozenset(one.replace(CALLER, caller) for one in filters)


def _audiences(access: Access) -> tuple[Audience, ...]:
    kind = access.principal.kind
    if kind == "patient":
        return ("self", "peer")
    if kind == "related-person":
        guards = any(one.basis == "guardian" for one in access.bonds)
        return ("related-person", "guardian") if guards else ("related-person",)
    if kind == "practitioner" or kind == "technician" or kind == "clinic-admin" or kind == "client":  # noqa: PLR1714 - narrows the type
        return (kind,)
    return ()


class _ByPatient(NamedTuple):
    bonds: Mapping[str, tuple[Bond, ...]]
    provisions: Mapping[str, tuple[Provision, ...]]


@lru_cache(maxsize=1024)
def _by_patient(access: Access) -> _ByPatient:
    """Return what `access` knows, put together by patient: a caller may have thousands of them."""
    bonds: dict[str, tuple[Bond, ...]] = {}
    for bond in access.bonds:
        bonds[bond.patient] = (*bonds.get(bond.patient, ()), bond)
    provisions: dict[str, tuple[Provision, ...]] = {}
    for one in access.provisions:
        provisions[one.patient] = (*provisions.get(one.patient, ()), one)
    return _ByPatient(bonds, provisions)


def _as_row(interaction: Interaction) -> Interaction:
    return "read" if interaction == "search" else interaction


@lru_cache(maxsize=8192)
def _allowed(
    audience: Audience,
    interaction: Interaction,
    resource_type: str,
    kind: BelongsKind,
    *,
    named: bool,
) -> Filters:
    return either(
        frozenset({row.only})
        for row in rows_for(audience, interaction, resource_type, kind, named=named)
    )


def rows_for(
    audience: Audience,
    interaction: Interaction,
    resource_type: str,
    kind: BelongsKind,
    *,
    named: bool,
) -> tuple[Row, ...]:
    """Return the rows of the table that allow it."""
    return tuple(
        row
        for row in TABLE
        if row.audience == audience
        and row.kind == kind
        and _as_row(interaction) in row.interactions
        and row.covers(resource_type, named=named)
    )
