"""The role policy table: what a relationship allows, by role, kind of resource and interaction.

Data with a reason per row; nothing is allowed that no row allows. How the rows are applied stands in
`fhirserver.auth.policy`.

Spec: https://hl7.org/fhir/R4/security.html#rbac
"""

from dataclasses import dataclass
from typing import Final, Literal

from fhirserver.auth.technical_alarms import TECHNICAL_ALARMS
from fhirserver.definitions.patient_of import Kind as BelongsKind

Interaction = Literal["read", "search", "create", "update", "delete"]
Audience = Literal[
    "practitioner",
    "technician",
    "clinic-admin",
    "related-person",
    "guardian",
    "self",
    "peer",
    "client",
]

READ = frozenset[Interaction]({"read"})
_CREATE = frozenset[Interaction]({"create"})
_DELETE = frozenset[Interaction]({"delete"})
_UPDATE = frozenset[Interaction]({"update"})
_WRITE = frozenset[Interaction]({"create", "update"})
ALL = frozenset[Interaction]({"read", "create", "update", "delete"})


@dataclass(frozen=True, slots=True)
class Row:
    """One allowance: `audience` may do `interactions` on `types` of `kind`, because of `reason`.

    `types` None means every type of that kind except those in `but`. Rows of the kind ``patient``,
    and those with `needs_patient`, hold only for resources that name a patient. `only` is a search
    (``code=1,2``) that the resource must meet, "" for none; `CALLER` in it is who asks. To search is to read.
    """

    audience: Audience
    kind: BelongsKind
    types: frozenset[str] | None
    interactions: frozenset[Interaction]
    reason: str
    but: frozenset[str] = frozenset()
    needs_patient: bool = False
    only: str = ""

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

# Stands for kind and reference of the caller in a search of a row.
CALLER: Final = "{caller}"
# SNOMED CT: what a treatment is recorded as (`subscriptions.core.treatment_procedure`).
_HEMODIALYSIS = "302497006"
_SUBSCRIPTION = frozenset({"Subscription"})
_ROSTER = frozenset(
    {
        "Appointment",
        "AppointmentResponse",
        "CareTeam",
        "Coverage",
        "DeviceUseStatement",
        "Patient",
        "RelatedPerson",
    }
)


def _called(audience: Audience, *, reads_all: bool = False) -> tuple[Row, ...]:
    """Return the rows of people without a profession here, who are called and told like professionals.

    `reads_all`: others of their rows let them read every Subscription.
    """
    return (
        Row(
            audience,
            "patient",
            frozenset({"Task"}),
            _UPDATE,
            "whoever is called answers the Task they were given, by phone or here",
        ),
        Row(
            audience,
            "patient",
            _SUBSCRIPTION,
            _WRITE,
            "whoever may see may be told, and what is told is decided again at each event; of others' "
            "Subscriptions none is changed (`subscriptions.response.admission`)",
        ),
        Row(
            audience,
            "patient",
            _SUBSCRIPTION,
            _DELETE if reads_all else READ | _DELETE,
            "their own Subscriptions; those of others are not theirs",
            only=f"owner={CALLER}",
        ),
    )


TABLE: tuple[Row, ...] = (
    Row(
        "practitioner",
        "patient",
        None,
        READ,
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
        _UPDATE,
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
        READ,
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
        READ,
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
        READ,
        "a care partner sees alarms, vital signs and who else is called; notes, diagnoses and "
        "orders stay between "
        "patient and clinic",
    ),
    Row(
        "related-person",
        "patient",
        frozenset({"Procedure"}),
        READ,
        "a care partner knows whether a treatment goes on; other procedures stay between patient and clinic",
        only=f"code={_HEMODIALYSIS}",
    ),
    Row(
        "related-person",
        "staff",
        frozenset({"Device"}),
        READ,
        "the machine that is the patient's own; the clinic's inventory is not",
        needs_patient=True,
    ),
    Row(
        "related-person",
        "patient",
        _OWN_WORDS,
        _CREATE,
        "a care partner answers forms and writes messages; measurements come from devices",
    ),
    *_called("related-person"),
    Row(
        "related-person",
        "shared",
        None,
        READ,
        "terminology, forms and directories are for everybody",
    ),
    Row(
        "self",
        "patient",
        None,
        READ,
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
    *_called("self", reads_all=True),
    Row(
        "self",
        "staff",
        frozenset({"Device"}),
        READ,
        "the machine that is the patient's own; the clinic's inventory is not",
        needs_patient=True,
    ),
    Row("self", "shared", None, READ, "terminology, forms and directories are for everybody"),
    Row(
        "peer",
        "patient",
        frozenset({"CareTeam", "Flag", "Task"}),
        READ,
        "a fellow patient in the team learns that there is an alarm and who is called, and no "
        "vital signs",
    ),
    *_called("peer"),
    Row(
        "technician",
        "patient",
        frozenset({"DeviceUseStatement"}),
        READ | _WRITE,
        "a technician binds machines to the people they stand with, and takes them back",
    ),
    Row(
        "technician",
        "patient",
        frozenset({"Flag"}),
        READ,
        "a technician sees that a machine fails, and neither vital signs nor what follows from them",
        only=f"code={','.join(TECHNICAL_ALARMS)}",
    ),
    Row(
        "technician",
        "patient",
        _SUBSCRIPTION,
        ALL,
        "a technician is told of what they may see, and can end that",
    ),
    Row(
        "technician",
        "staff",
        _HARDWARE,
        READ | _WRITE,
        "devices and their metrics are a technician's work",
    ),
    Row(
        "technician",
        "shared",
        None,
        READ,
        "terminology, forms and directories are for everybody",
    ),
    Row(
        "clinic-admin",
        "patient",
        _ROSTER,
        READ,
        "an administrator of a clinic keeps its rosters, and sees nothing clinical",
    ),
    Row(
        "clinic-admin",
        "patient",
        _ROSTER - {"DeviceUseStatement", "Patient"},
        _WRITE,
        "rosters, contacts, appointments and insurance are kept by the clinic's office",
    ),
    Row(
        "clinic-admin",
        "patient",
        frozenset({"Patient"}),
        _UPDATE,
        "demographics are corrected by the clinic's office; a new patient comes from administration",
    ),
    Row(
        "clinic-admin",
        "staff",
        _HARDWARE | {"Schedule", "Slot"},
        READ | _WRITE,
        "the clinic's machines and calendars are kept by its office",
    ),
    Row(
        "clinic-admin",
        "shared",
        None,
        READ,
        "terminology, forms and directories are for everybody",
    ),
    Row(
        "guardian",
        "patient",
        None,
        READ,
        "who has the care of a minor reads for them (45 CFR 164.502(g)(3))",
    ),
    Row(
        "guardian",
        "patient",
        _OWN_WORDS,
        _CREATE,
        "who has the care of a minor answers forms and writes messages for them",
    ),
    *_called("guardian", reads_all=True),
    Row(
        "guardian",
        "staff",
        frozenset({"Device"}),
        READ,
        "the machine that is the patient's own; the clinic's inventory is not",
        needs_patient=True,
    ),
    Row(
        "client",
        "patient",
        None,
        ALL,
        "a program acts for the tenant, as far as its system scopes say",
        but=_EVIDENCE,
    ),
    Row(
        "client",
        "patient",
        _EVIDENCE,
        READ | _CREATE,
        "evidence is added and read, never changed",
    ),
    Row(
        "client",
        "staff",
        None,
        ALL,
        "a program acts for the tenant, as far as its system scopes say",
    ),
    Row(
        "client",
        "shared",
        None,
        ALL,
        "a program acts for the tenant, as far as its system scopes say",
    ),
)
