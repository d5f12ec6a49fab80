"""The role policy table: what a relationship allows, by role, kind of resource and interaction.

`fhirserver.auth.decide` finds out whose patients a caller is related to; this table says what
follows from it. It is data with a reason per row; nothing is allowed that no row allows. The rules
around it:

- A resource that names several patients needs a relationship with every one of them.
- A resource of a patient type that names no patient could be anybody's: administrators only.
- A patient in the CareTeam of another patient is a `peer` there: as soon as a resource names
  anybody but the patient themselves, only the peer rows count.
- `read` covers read, vread, history and search: whoever may not read a resource meets it nowhere.
- A read of what a caller may not see answers like an absent resource (404), and so does an update
  of it; a create for a patient without relationship, and a write that the role never allows, answer
  403.

Spec: https://hl7.org/fhir/R4/security.html#rbac
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from fhirserver.auth.decide import own_patient
from fhirserver.definitions.patient_of import Kind as BelongsKind
from fhirserver.kernel.principal import Access

Interaction = Literal["read", "create", "update", "delete"]
Audience = Literal["practitioner", "related-person", "self", "peer"]

_READ = frozenset[Interaction]({"read"})
_CREATE = frozenset[Interaction]({"create"})
_WRITE = frozenset[Interaction]({"create", "update"})


@dataclass(frozen=True, slots=True)
class Row:
    """One allowance: `audience` may do `interactions` on `types` of `kind`, because of `reason`.

    `types` None means every type of that kind except those in `but`. Rows of the kind ``patient``,
    and those with `needs_patient`, hold only for resources that name a patient.
    """

    audience: Audience
    kind: BelongsKind
    types: frozenset[str] | None
    interactions: frozenset[Interaction]
    reason: str
    but: frozenset[str] = frozenset()
    needs_patient: bool = False

    def covers(self, resource_type: str, *, named: bool) -> bool:
        """Return whether this row is about resources of `resource_type`.

        `named`: they name a patient.
        """
        if not named and (self.needs_patient or self.kind == "patient"):
            return False
        if self.types is None:
            return resource_type not in self.but
        return resource_type in self.types


# Written by the server, or once and never changed: what an investigation relies on.
_EVIDENCE = frozenset({"AuditEvent", "Provenance"})
_HARDWARE = frozenset({"Device", "DeviceMetric"})
_ALARM_VIEW = frozenset(
    {
        "CareTeam",
        "Communication",
        "DeviceUseStatement",
        "Flag",
        "Observation",
        "Patient",
        "QuestionnaireResponse",
        "RelatedPerson",
        "Task",
    }
)
_OWN_WORDS = frozenset({"Communication", "QuestionnaireResponse"})

TABLE: tuple[Row, ...] = (
    Row(
        "practitioner",
        "patient",
        None,
        _READ,
        "whoever treats a patient needs the whole record of that patient",
    ),
    Row(
        "practitioner",
        "patient",
        None,
        _WRITE,
        "care is documented, ordered and consented to by the treating team; records end by their "
        "status, so nothing is deleted",
        but=_EVIDENCE | {"Patient"},
    ),
    Row(
        "practitioner",
        "patient",
        frozenset({"Patient"}),
        frozenset({"update"}),
        "demographics are corrected by the team; a new patient comes from administration, which "
        "also makes the first CareTeam",
    ),
    Row(
        "practitioner",
        "patient",
        frozenset({"Provenance"}),
        _CREATE,
        "a signature under a rule or a correction is added, never changed",
    ),
    Row(
        "practitioner",
        "patient",
        frozenset({"Subscription"}),
        frozenset({"delete"}),
        "deleting is how a client stops its own notifications",
    ),
    Row(
        "practitioner",
        "shared",
        None,
        _READ,
        "terminology, forms and directories are for everybody",
    ),
    Row(
        "practitioner",
        "shared",
        frozenset({"Medication", "Substance"}),
        _WRITE,
        "a prescription may need a product that nobody has recorded yet",
    ),
    Row(
        "practitioner",
        "staff",
        None,
        _READ,
        "the clinic's own machines and calendars; a Group lists patients of others, so it is not "
        "among them",
        but=frozenset({"Group"}),
    ),
    Row(
        "practitioner",
        "staff",
        _HARDWARE | {"Schedule", "Slot"},
        _WRITE,
        "clinicians bind and replace machines and keep their own calendars",
    ),
    Row(
        "related-person",
        "patient",
        _ALARM_VIEW,
        _READ,
        "a care partner sees alarms, vital signs and who else is called; notes, diagnoses and "
        "orders stay between "
        "patient and clinic",
    ),
    Row(
        "related-person",
        "staff",
        frozenset({"Device"}),
        _READ,
        "the machine that is the patient's own; the clinic's inventory is not",
        needs_patient=True,
    ),
    Row(
        "related-person",
        "patient",
        _OWN_WORDS,
        _CREATE,
        "a care partner answers forms and writes messages; measurements come from devices, and "
        "alarms are answered by "
        "phone, where the answer is proven",
    ),
    Row(
        "related-person",
        "shared",
        None,
        _READ,
        "terminology, forms and directories are for everybody",
    ),
    Row(
        "self",
        "patient",
        None,
        _READ,
        "patients have a right to their whole record (45 CFR 164.524)",
    ),
    Row(
        "self",
        "patient",
        _OWN_WORDS,
        _CREATE,
        "patients answer forms and write messages; the care plan and the alarm limits are the "
        "clinic's",
    ),
    Row(
        "self",
        "staff",
        frozenset({"Device"}),
        _READ,
        "the machine that is the patient's own; the clinic's inventory is not",
        needs_patient=True,
    ),
    Row("self", "shared", None, _READ, "terminology, forms and directories are for everybody"),
    Row(
        "peer",
        "patient",
        frozenset({"CareTeam", "Flag", "Task"}),
        _READ,
        "a fellow patient in the team learns that there is an alarm and who is called, and no "
        "vital signs",
    ),
)

# The element that says who is speaking; care partners and patients may speak only as themselves.
SPEAKER = {"Communication": "sender", "QuestionnaireResponse": "author"}

_NOTHING: frozenset[Interaction] = frozenset()


def may(
    access: Access,
    interaction: Interaction,
    resource_type: str,
    patients_of_resource: frozenset[str],
    belongs_kind: BelongsKind,
) -> bool:
    """Return whether `access` covers `interaction` on a resource of `resource_type`.

    `patients_of_resource` are the ids of all patients it names.
    """
    if access.everything:
        return True
    if not patients_of_resource <= access.patients:
        return False
    audience = _audience(access, patients_of_resource)
    return audience is not None and interaction in _allowed(
        audience, belongs_kind, resource_type, named=bool(patients_of_resource)
    )


def may_ever(
    access: Access, interaction: Interaction, resource_type: str, kind: BelongsKind
) -> bool:
    """Return whether some resource of `resource_type` could be open to `access`.

    False needs no look at any.
    """
    if access.everything:
        return True
    return any(
        interaction in _allowed(audience, kind, resource_type, named=True)
        for audience in _audiences(access)
    )


def speaks_as(access: Access, resource_type: str) -> tuple[str, str] | None:
    """Return (element, reference) when `access` may write the type only in its own name."""
    if access.everything or access.principal.kind not in ("related-person", "patient"):
        return None
    element = SPEAKER.get(resource_type)
    return (element, access.principal.reference) if element is not None else None


def _audience(access: Access, patients: frozenset[str]) -> Audience | None:
    kind = access.principal.kind
    if kind == "practitioner" or kind == "related-person":  # noqa: PLR1714 - narrows the type
        return kind
    if kind != "patient":
        return None
    own = own_patient(access.principal)
    return "self" if own is not None and patients <= {own} else "peer"


def _audiences(access: Access) -> Iterable[Audience]:
    kind = access.principal.kind
    if kind == "practitioner" or kind == "related-person":  # noqa: PLR1714 - narrows the type
        return (kind,)
    return ("self", "peer") if kind == "patient" else ()


@lru_cache(maxsize=4096)
def _allowed(
    audience: Audience, kind: BelongsKind, resource_type: str, *, named: bool
) -> frozenset[Interaction]:
    rows = [
        row.interactions
        for row in TABLE
        if row.audience == audience and row.kind == kind and row.covers(resource_type, named=named)
    ]
    return _NOTHING.union(*rows)


INTERACTIONS: tuple[Interaction, ...] = get_args(Interaction)
