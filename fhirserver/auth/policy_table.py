"""The role policy table: what a relationship allows, by role, kind of resource and interaction.

Data with a reason per row; nothing is allowed that no row allows. How the rows are applied stands in
`fhirserver.auth.policy`.

Spec: https://hl7.org/fhir/R4/security.html#rbac
"""

from dataclasses import dataclass
from typing import Final, Literal

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

_READ = frozenset[Interaction]({"read"})
_CREATE = frozenset[Interaction]({"create"})
_DELETE = frozenset[Interaction]({"delete"})
_UPDATE = frozenset[Interaction]({"update"})
_WRITE = frozenset[Interaction]({"create", "update"})
_ALL = frozenset[Interaction]({"read", "create", "update", "delete"})


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

_TASK = frozenset({"Task"})
# Stands for kind and reference of the caller in a search of a row.
CALLER: Final = "{caller}"
_SUBSCRIPTION = frozenset({"Subscription"})
_OWN_SUBSCRIPTION = f"owner={CALLER}"
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
# Alarms that say something about a machine and nothing about a body: the codes of kind ``technical``
# (11073-10101 events and those of our own).
TECHNICAL_ALARMS: Final = (
    "196616", "196638", "196802", "198216", "198236", "198238", "198240", "198242", "198244",
    "198252", "198254", "198256", "198258", "198260", "198262", "198264", "198266", "198268",
    "198270", "198272", "198274", "198276", "198278", "blood-pressure-overdue", "clock-wrong",
    "data-quality", "device-silent", "evaluation-late", "monitoring-not-armed", "power-lost",
    "reading-not-credible", "readings-missing", "session-end-missing",
)  # fmt: skip

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
        "a care partner answers forms and writes messages; measurements come from devices",
    ),
    Row(
        "related-person",
        "patient",
        _TASK,
        _UPDATE,
        "whoever is called answers the Task they were given, by phone or here",
    ),
    Row(
        "related-person",
        "patient",
        _SUBSCRIPTION,
        _WRITE,
        "whoever may see may be told, and what is told is decided again at each event; of others' "
        "Subscriptions none is changed (`subscriptions.response.admission`)",
    ),
    Row(
        "related-person",
        "patient",
        _SUBSCRIPTION,
        _READ | _DELETE,
        "their own Subscriptions; those of others are not theirs",
        only=_OWN_SUBSCRIPTION,
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
        "patient",
        _TASK,
        _UPDATE,
        "patients are called about themselves, and answer the Task they were given",
    ),
    Row(
        "self",
        "patient",
        _SUBSCRIPTION,
        _WRITE,
        "whoever may see may be told, and what is told is decided again at each event; of others' "
        "Subscriptions none is changed (`subscriptions.response.admission`)",
    ),
    Row(
        "self",
        "patient",
        _SUBSCRIPTION,
        _DELETE,
        "their own Subscriptions; those of others are not theirs",
        only=_OWN_SUBSCRIPTION,
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
    Row(
        "peer",
        "patient",
        _TASK,
        _UPDATE,
        "a fellow patient who is called answers the Task they were given",
    ),
    Row(
        "peer",
        "patient",
        _SUBSCRIPTION,
        _WRITE,
        "whoever may see may be told, and what is told is decided again at each event; of others' "
        "Subscriptions none is changed (`subscriptions.response.admission`)",
    ),
    Row(
        "peer",
        "patient",
        _SUBSCRIPTION,
        _READ | _DELETE,
        "their own Subscriptions; those of others are not theirs",
        only=_OWN_SUBSCRIPTION,
    ),
    Row(
        "technician",
        "patient",
        frozenset({"DeviceUseStatement"}),
        _READ | _WRITE,
        "a technician binds machines to the people they stand with, and takes them back",
    ),
    Row(
        "technician",
        "patient",
        frozenset({"Flag"}),
        _READ,
        "a technician sees that a machine fails, and neither vital signs nor what follows from them",
        only=f"code={','.join(TECHNICAL_ALARMS)}",
    ),
    Row(
        "technician",
        "patient",
        _SUBSCRIPTION,
        _ALL,
        "a technician is told of what they may see, and can end that",
    ),
    Row(
        "technician",
        "staff",
        _HARDWARE,
        _READ | _WRITE,
        "devices and their metrics are a technician's work",
    ),
    Row(
        "technician",
        "shared",
        None,
        _READ,
        "terminology, forms and directories are for everybody",
    ),
    Row(
        "clinic-admin",
        "patient",
        _ROSTER,
        _READ,
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
        _READ | _WRITE,
        "the clinic's machines and calendars are kept by its office",
    ),
    Row(
        "clinic-admin",
        "shared",
        None,
        _READ,
        "terminology, forms and directories are for everybody",
    ),
    Row(
        "guardian",
        "patient",
        None,
        _READ,
        "who has the care of a minor reads for them (45 CFR 164.502(g)(3))",
    ),
    Row(
        "guardian",
        "patient",
        _OWN_WORDS,
        _CREATE,
        "who has the care of a minor answers forms and writes messages for them",
    ),
    Row(
        "guardian",
        "patient",
        _TASK,
        _UPDATE,
        "who has the care of a minor is called, and answers the Task they were given",
    ),
    Row(
        "guardian",
        "patient",
        _SUBSCRIPTION,
        _WRITE,
        "whoever may see may be told, and what is told is decided again at each event; of others' "
        "Subscriptions none is changed (`subscriptions.response.admission`)",
    ),
    Row(
        "guardian",
        "patient",
        _SUBSCRIPTION,
        _DELETE,
        "their own Subscriptions; those of others are not theirs",
        only=_OWN_SUBSCRIPTION,
    ),
    Row(
        "guardian",
        "staff",
        frozenset({"Device"}),
        _READ,
        "the machine that is the patient's own; the clinic's inventory is not",
        needs_patient=True,
    ),
    Row(
        "client",
        "patient",
        None,
        _ALL,
        "a program acts for the tenant, as far as its system scopes say",
        but=_EVIDENCE,
    ),
    Row(
        "client",
        "patient",
        _EVIDENCE,
        _READ | _CREATE,
        "evidence is added and read, never changed",
    ),
    Row(
        "client",
        "staff",
        None,
        _ALL,
        "a program acts for the tenant, as far as its system scopes say",
    ),
    Row(
        "client",
        "shared",
        None,
        _ALL,
        "a program acts for the tenant, as far as its system scopes say",
    ),
)


@dataclass(frozen=True, slots=True)
class RoleLimit:
    """What a role in a CareTeam leaves of what its holder might do otherwise.

    The rows of `audience` must allow it too (None: no matter), it is one of `interactions`, and about one of
    `types` (None: any).
    """

    reason: str
    audience: Audience | None = None
    interactions: frozenset[Interaction] = _ALL
    types: frozenset[str] | None = None


# By CareTeam.participant.role code. A role that is not here takes nothing away, and none ever adds.
ROLES: Final[dict[str, RoleLimit]] = {
    "technician": RoleLimit(
        "whoever is in a team for its machines sees no more than a technician",
        audience="technician",
    ),
    "viewer": RoleLimit("a viewer changes nothing", interactions=_READ),
    "alarm-contact": RoleLimit(
        "somebody who is only called sees the alarm, for whom, and who else is called",
        types=frozenset({"CareTeam", "Communication", "Flag", "Patient", "Subscription", "Task"}),
    ),
}
