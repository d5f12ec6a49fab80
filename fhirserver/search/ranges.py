"""Dates, numbers and quantities as ranges: which column or table answers them.

A type's primary date fills the columns `time` and `time_end` of its row; the others become rows of
`resource_range`. Protected dates are in neither: they are only hashed (`protected`).

Spec: https://hl7.org/fhir/R4/search.html#date, https://hl7.org/fhir/R4/search.html#number
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from fhirserver.search.aliases import ALIASES, sources
from fhirserver.search.comparison import Comparison, date_comparison, number_comparison
from fhirserver.search.condition import Condition, DateValue, NumberValue, QuantityValue
from fhirserver.search.entry import DateEntry, Entry, NumberEntry, QuantityEntry
from fhirserver.search.period import Span
from fhirserver.search.protected import PROTECTED
from fhirserver.terminology.ucum import canonical

# https://hl7.org/fhir/R4/terminologies-systems.html
UCUM: Final = "http://unitsofmeasure.org"

# The date a type is sorted and listed by: when the thing happened, else when it was asked for or
# written down. Each is a single element, so that a row has one time. Types with protected dates
# only, or none, are absent.
PRIMARY: Final[dict[str, str]] = {
    "Account": "period",
    "ActivityDefinition": "date",
    "AdverseEvent": "date",
    "AllergyIntolerance": "date",
    "Appointment": "date",
    "AuditEvent": "date",
    "Basic": "created",
    "Bundle": "timestamp",
    "CapabilityStatement": "date",
    "CarePlan": "date",
    "CareTeam": "date",
    "ChargeItem": "occurrence",
    "ChargeItemDefinition": "date",
    "Claim": "created",
    "ClaimResponse": "created",
    "ClinicalImpression": "date",
    "CodeSystem": "date",
    "Communication": "sent",
    "CommunicationRequest": "authored",
    "CompartmentDefinition": "date",
    "Composition": "date",
    "ConceptMap": "date",
    "Condition": "onset-date",
    "Consent": "date",
    "Contract": "issued",
    "CoverageEligibilityRequest": "created",
    "CoverageEligibilityResponse": "created",
    "DetectedIssue": "identified",
    "DeviceRequest": "authored-on",
    "DiagnosticReport": "date",
    "DocumentManifest": "created",
    "DocumentReference": "date",
    "EffectEvidenceSynthesis": "date",
    "Encounter": "date",
    "EpisodeOfCare": "date",
    "EventDefinition": "date",
    "Evidence": "date",
    "EvidenceVariable": "date",
    "ExampleScenario": "date",
    "ExplanationOfBenefit": "created",
    "FamilyMemberHistory": "date",
    "Flag": "date",
    "Goal": "start-date",
    "GraphDefinition": "date",
    "ImagingStudy": "started",
    "Immunization": "date",
    "ImmunizationEvaluation": "date",
    "ImmunizationRecommendation": "date",
    "ImplementationGuide": "date",
    "Invoice": "date",
    "Library": "date",
    "List": "date",
    "Measure": "date",
    "MeasureReport": "date",
    "Media": "created",
    "Medication": "expiration-date",
    "MedicationAdministration": "effective-time",
    "MedicationDispense": "whenhandedover",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "MessageDefinition": "date",
    "NamingSystem": "date",
    "NutritionOrder": "datetime",
    "Observation": "date",
    "OperationDefinition": "date",
    "OrganizationAffiliation": "date",
    "PaymentNotice": "created",
    "PaymentReconciliation": "created",
    "PlanDefinition": "date",
    "PractitionerRole": "date",
    "Procedure": "date",
    "Provenance": "recorded",
    "Questionnaire": "date",
    "QuestionnaireResponse": "authored",
    "RequestGroup": "authored",
    "ResearchDefinition": "date",
    "ResearchElementDefinition": "date",
    "ResearchStudy": "date",
    "ResearchSubject": "date",
    "RiskAssessment": "date",
    "RiskEvidenceSynthesis": "date",
    "Schedule": "date",
    "SearchParameter": "date",
    "ServiceRequest": "authored",
    "Slot": "start",
    "Specimen": "collected",
    "StructureDefinition": "date",
    "StructureMap": "date",
    "SupplyRequest": "date",
    "Task": "authored-on",
    "TerminologyCapabilities": "date",
    "TestReport": "issued",
    "TestScript": "date",
    "ValueSet": "date",
    "VisionPrescription": "datewritten",
}


class ParamRange(NamedTuple):
    """One row of `resource_range`.

    A date has whole microseconds [lo, hi), a number or quantity both ends in it, [lo, hi], infinite
    where open. A quantity has a row as written, without its unit; one in a unit of UCUM has another
    in base units, which `param` then names as well (`with_unit`).
    """

    param: str
    lo: Decimal
    hi: Decimal


class RangeTest(NamedTuple):
    """How a row of one of `params` must lie."""

    params: tuple[str, ...]
    comparison: Comparison


class AnyRange(NamedTuple):
    """Hits pass any of `tests`. `exact` False: they must be verified by `match`; none is missing."""

    tests: tuple[RangeTest, ...]
    exact: bool

    @property
    def comparison(self) -> Comparison:
        """All tests joined, for a column that holds one parameter only."""
        return tuple(tests for one in self.tests for tests in one.comparison)


def range_entries(
    type_: str, entries: Sequence[Entry]
) -> tuple[Span | None, tuple[ParamRange, ...]]:
    """Return the span of the primary date and the distinct rows for everything else.

    The span is in microseconds (`period.as_datetime` makes them moments), None when the resource
    has no such date. Aliases have no rows: look under `aliases.sources`.
    """
    primary_param = PRIMARY.get(type_)
    primary: Span | None = None
    others: dict[ParamRange, None] = {}
    # Every resource written comes through here, and few of its entries have a range: the exact type
    # is asked for, because class patterns for all the others would cost more than those few.
    for entry in entries:
        if type(entry) is DateEntry:
            if entry.param == primary_param:
                primary = Span(entry.lo, entry.hi)
            elif (type_, entry.param) not in PROTECTED:
                others[ParamRange(entry.param, Decimal(entry.lo), Decimal(entry.hi))] = None
        elif type(entry) is QuantityEntry or type(entry) is NumberEntry:
            if (type_, entry.param) in ALIASES:
                continue
            others[ParamRange(entry.param, entry.lo, entry.hi)] = None
            if type(entry) is QuantityEntry and entry.system == UCUM:
                converted = in_base_units(entry)
                if converted is not None:
                    least, most, unit = converted
                    others[ParamRange(with_unit(entry.param, unit), least, most)] = None
    return primary, tuple(others)


def with_unit(param: str, unit: str) -> str:
    """Return what rows in the base units `unit` carry instead of the parameter's code alone."""
    return f"{param}\x1f{unit}"


def in_base_units(entry: QuantityEntry) -> tuple[Decimal, Decimal, str] | None:
    """Return the ends and the unit of a UCUM quantity in base units; None for an unknown unit."""
    if entry.code is None:
        return None
    lo, hi = entry.lo, entry.hi
    converted = canonical(hi if lo is not hi and lo.is_infinite() else lo, entry.code)
    if converted is None:
        return None
    base, unit = converted
    if lo is hi or lo == hi:
        return base, base, unit
    other = None if hi.is_infinite() else canonical(hi, entry.code)
    return lo if lo.is_infinite() else base, hi if other is None else other[0], unit


def query_ranges(type_: str, condition: Condition) -> AnyRange:
    """Return the tests for a condition answered by "time", "range" or "last-updated".

    A version's last update is the span of one millisecond that `meta.lastUpdated` writes.
    """
    params = sources(type_, condition.param)
    tests: list[RangeTest] = []
    exact = True
    for value in condition.values:
        match value:
            case DateValue():
                tests.append(RangeTest(params, date_comparison(value)))
            case NumberValue():
                tests.append(RangeTest(params, number_comparison(value)))
            case QuantityValue(number=number, unit=None):
                tests.append(RangeTest(params, number_comparison(number)))
            case QuantityValue():
                sure, found = _with_unit(value, params)
                tests.extend(found)
                exact = exact and sure
            case _:
                raise TypeError(f"{condition.param} is not answered by a range")
    return AnyRange(tuple(tests), exact)


def _with_unit(value: QuantityValue, params: tuple[str, ...]) -> tuple[bool, tuple[RangeTest, ...]]:
    """Return whether the tests are exact, and the tests.

    A unit of UCUM is looked up in base units; one that could also be meant as written, or is none
    of UCUM, among all numbers.
    """
    as_written = RangeTest(params, number_comparison(value.number))
    if value.canonical is None or value.canonical_unit is None:
        return False, (as_written,)
    unit = value.canonical_unit
    converted = RangeTest(
        tuple(with_unit(param, unit) for param in params), number_comparison(value.canonical)
    )
    if value.system is not None:
        return True, (converted,)
    return False, (as_written, converted)
