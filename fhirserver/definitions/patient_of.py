"""Whose record a resource belongs to: one reviewed line for every concrete R4 type.

The patient decides who may see a resource, in which bucket it lies and which data key encrypts it,
so this is a table to be read by people and not derived: the specification's Patient compartment
also contains what a patient merely performed or received, which does not make it part of the
record.

    patient         belongs to the patients named at `paths`; none named: administrators only
    shared          a catalogue or directory that every caller may read
    staff           the clinic's own: devices, groups, schedules; a patient named at `paths` counts
    administrators  no rule: nobody else reads it

Only literal references of the form ``Patient/id`` count. Four types need a word:

- Provenance belongs to the patients among its targets. What is said about an Observation alone is
  readable by administrators only; writers that want it in the record name the patient as well.
- AuditEvent belongs to the patients among its entities, not to the agents that acted.
- Device: clinic devices name no patient; where one is named, it counts.
- Subscription belongs to the patients its criteria or filters name (`patient_filter`).

Specs: https://hl7.org/fhir/R4/compartmentdefinition-patient.html,
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

from fhirserver.kernel.canonical import BACKPORT
from fhirserver.kernel.resource import Json

Kind = Literal["patient", "shared", "staff", "administrators"]


@dataclass(frozen=True, slots=True)
class Belongs:
    """The rule of one type. `paths` are dotted JSON paths to references, lists included."""

    kind: Kind
    paths: tuple[str, ...] = ()


_SUBJECT: Final = Belongs("patient", ("subject",))
_PATIENT: Final = Belongs("patient", ("patient",))
_SHARED: Final = Belongs("shared")
_STAFF: Final = Belongs("staff")
_ADMINISTRATORS: Final = Belongs("administrators")

PATIENT_OF: Final[dict[str, Belongs]] = {
    "Account": _SUBJECT,
    "ActivityDefinition": _SHARED,
    "AdverseEvent": _SUBJECT,
    "AllergyIntolerance": _PATIENT,
    "Appointment": Belongs("patient", ("participant.actor",)),
    "AppointmentResponse": Belongs("patient", ("actor",)),
    "AuditEvent": Belongs("patient", ("entity.what",)),
    "Basic": _SUBJECT,
    "Binary": Belongs("patient", ("securityContext",)),
    "BiologicallyDerivedProduct": Belongs("patient", ("collection.source",)),
    "BodyStructure": _PATIENT,
    "Bundle": _ADMINISTRATORS,
    "CapabilityStatement": _SHARED,
    "CarePlan": _SUBJECT,
    "CareTeam": _SUBJECT,
    "CatalogEntry": _SHARED,
    "ChargeItem": _SUBJECT,
    "ChargeItemDefinition": _SHARED,
    "Claim": _PATIENT,
    "ClaimResponse": _PATIENT,
    "ClinicalImpression": _SUBJECT,
    "CodeSystem": _SHARED,
    "Communication": _SUBJECT,
    "CommunicationRequest": _SUBJECT,
    "CompartmentDefinition": _SHARED,
    "Composition": _SUBJECT,
    "ConceptMap": _SHARED,
    "Condition": _SUBJECT,
    "Consent": _PATIENT,
    "Contract": _SUBJECT,
    "Coverage": Belongs("patient", ("beneficiary",)),
    "CoverageEligibilityRequest": _PATIENT,
    "CoverageEligibilityResponse": _PATIENT,
    "DetectedIssue": _PATIENT,
    "Device": Belongs("staff", ("patient",)),
    "DeviceDefinition": _SHARED,
    "DeviceMetric": _STAFF,
    "DeviceRequest": _SUBJECT,
    "DeviceUseStatement": _SUBJECT,
    "DiagnosticReport": _SUBJECT,
    "DocumentManifest": _SUBJECT,
    "DocumentReference": _SUBJECT,
    "EffectEvidenceSynthesis": _SHARED,
    "Encounter": _SUBJECT,
    "Endpoint": _ADMINISTRATORS,
    "EnrollmentRequest": Belongs("patient", ("candidate",)),
    "EnrollmentResponse": _ADMINISTRATORS,
    "EpisodeOfCare": _PATIENT,
    "EventDefinition": _SHARED,
    "Evidence": _SHARED,
    "EvidenceVariable": _SHARED,
    "ExampleScenario": _SHARED,
    "ExplanationOfBenefit": _PATIENT,
    "FamilyMemberHistory": _PATIENT,
    "Flag": _SUBJECT,
    "Goal": _SUBJECT,
    "GraphDefinition": _SHARED,
    "Group": _STAFF,
    "GuidanceResponse": _SUBJECT,
    "HealthcareService": _SHARED,
    "ImagingStudy": _SUBJECT,
    "Immunization": _PATIENT,
    "ImmunizationEvaluation": _PATIENT,
    "ImmunizationRecommendation": _PATIENT,
    "ImplementationGuide": _SHARED,
    "InsurancePlan": _SHARED,
    "Invoice": _SUBJECT,
    "Library": _SHARED,
    "Linkage": _ADMINISTRATORS,
    "List": _SUBJECT,
    "Location": _SHARED,
    "Measure": _SHARED,
    "MeasureReport": _SUBJECT,
    "Media": _SUBJECT,
    "Medication": _SHARED,
    "MedicationAdministration": _SUBJECT,
    "MedicationDispense": _SUBJECT,
    "MedicationKnowledge": _SHARED,
    "MedicationRequest": _SUBJECT,
    "MedicationStatement": _SUBJECT,
    "MedicinalProduct": _SHARED,
    "MedicinalProductAuthorization": _SHARED,
    "MedicinalProductContraindication": _SHARED,
    "MedicinalProductIndication": _SHARED,
    "MedicinalProductIngredient": _SHARED,
    "MedicinalProductInteraction": _SHARED,
    "MedicinalProductManufactured": _SHARED,
    "MedicinalProductPackaged": _SHARED,
    "MedicinalProductPharmaceutical": _SHARED,
    "MedicinalProductUndesirableEffect": _SHARED,
    "MessageDefinition": _SHARED,
    "MessageHeader": _ADMINISTRATORS,
    "MolecularSequence": _PATIENT,
    "NamingSystem": _SHARED,
    "NutritionOrder": _PATIENT,
    "Observation": _SUBJECT,
    "ObservationDefinition": _SHARED,
    "OperationDefinition": _SHARED,
    "OperationOutcome": _ADMINISTRATORS,
    "Organization": _SHARED,
    "OrganizationAffiliation": _SHARED,
    "Parameters": _ADMINISTRATORS,
    "Patient": Belongs("patient"),
    "PaymentNotice": _ADMINISTRATORS,
    "PaymentReconciliation": _ADMINISTRATORS,
    "Person": _ADMINISTRATORS,
    "PlanDefinition": _SHARED,
    "Practitioner": _SHARED,
    "PractitionerRole": _SHARED,
    "Procedure": _SUBJECT,
    "Provenance": Belongs("patient", ("target",)),
    "Questionnaire": _SHARED,
    "QuestionnaireResponse": _SUBJECT,
    "RelatedPerson": _PATIENT,
    "RequestGroup": _SUBJECT,
    "ResearchDefinition": _SHARED,
    "ResearchElementDefinition": _SHARED,
    "ResearchStudy": _SHARED,
    "ResearchSubject": Belongs("patient", ("individual",)),
    "RiskAssessment": _SUBJECT,
    "RiskEvidenceSynthesis": _SHARED,
    "Schedule": _STAFF,
    "SearchParameter": _SHARED,
    "ServiceRequest": _SUBJECT,
    "Slot": _STAFF,
    "Specimen": _SUBJECT,
    "SpecimenDefinition": _SHARED,
    "StructureDefinition": _SHARED,
    "StructureMap": _SHARED,
    "Subscription": Belongs("patient"),
    "Substance": _SHARED,
    "SubstanceNucleicAcid": _SHARED,
    "SubstancePolymer": _SHARED,
    "SubstanceProtein": _SHARED,
    "SubstanceReferenceInformation": _SHARED,
    "SubstanceSourceMaterial": _SHARED,
    "SubstanceSpecification": _SHARED,
    "SupplyDelivery": _PATIENT,
    "SupplyRequest": Belongs("patient", ("deliverTo",)),
    "Task": Belongs("patient", ("for",)),
    "TerminologyCapabilities": _SHARED,
    "TestReport": _ADMINISTRATORS,
    "TestScript": _SHARED,
    "ValueSet": _SHARED,
    "VerificationResult": _ADMINISTRATORS,
    "VisionPrescription": _PATIENT,
}

_REFERENCE = re.compile(r"Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
# Search parameters that name the patient a resource is about, by the rules above.
_ABOUT = frozenset(
    {"patient", "subject", "beneficiary", "individual", "candidate", "actor", "target"}
)
_FILTER_URL: Final = BACKPORT + "backport-filter-criteria"


def belongs_to(resource_type: str) -> Belongs:
    """Return the rule of a type; a type without one (not R4) belongs to administrators."""
    return PATIENT_OF.get(resource_type, _ADMINISTRATORS)


def patients_of(resource: Json) -> frozenset[str]:
    """Return the ids of the patients whose record `resource` belongs to.

    Empty for shared and staff resources, and for a patient's type that names nobody. A Patient
    belongs to itself, by its `id` (nobody while it has none).
    """
    type_ = resource.get("resourceType", "")
    if type_ == "Patient":
        own = resource.get("id")
        return frozenset((own,)) if isinstance(own, str) else frozenset()
    if type_ == "Subscription":
        return _subscription_patients(resource)
    found = set()
    for path in belongs_to(type_).paths:
        for reference in _at(resource, path.split(".")):
            if isinstance(reference, dict) and (id_ := patient_id(reference.get("reference"))):
                found.add(id_)
    return frozenset(found)


def patient_id(reference: object) -> str | None:
    """Return the id of a literal reference ``Patient/id`` (a version is allowed), else None."""
    # A Provenance has dozens of targets, nearly all of which are no patients.
    if not isinstance(reference, str) or not reference.startswith("Patient/"):
        return None
    match = _REFERENCE.fullmatch(reference)
    return match[1] if match else None


def patient_filter(criteria: str) -> frozenset[str]:
    """Return the patients that a search is restricted to; empty when it names none.

    `criteria` is a search URL (``Task?patient=Patient/x``) or one filter (``patient=Patient/x``).
    """
    type_, question, query = criteria.rpartition("?")
    found: set[str] = set()
    for name, value in parse_qsl(query):
        code, _, modifier = name.rpartition(".")[2].partition(":")
        about = code in _ABOUT or (code == "_id" and question == "?" and type_ == "Patient")
        if not about or modifier not in ("", "Patient"):
            continue
        bare = code in ("patient", "_id") or modifier == "Patient"
        for text in value.split(","):
            if id_ := patient_id(text):
                found.add(id_)
            elif bare and _ID.fullmatch(text):
                found.add(text)
    return frozenset(found)


def _subscription_patients(resource: Json) -> frozenset[str]:
    filters = (
        extension.get("valueString")
        for extension in _at(resource, ["_criteria", "extension"])
        if isinstance(extension, dict) and extension.get("url") == _FILTER_URL
    )
    texts = (resource.get("criteria"), *filters)
    found = (patient_filter(text) for text in texts if isinstance(text, str))
    return frozenset[str]().union(*found)


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    """Yield the values at `path` below `value`, through lists."""
    values: Iterable[Any] = value if isinstance(value, list) else (value,)
    for one in values:
        if not path:
            yield one
        elif isinstance(one, dict) and path[0] in one:
            yield from _at(one[path[0]], path[1:])
