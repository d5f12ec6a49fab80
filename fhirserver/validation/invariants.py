"""Invariants in Python: for the ones that are met often, what their FHIRPath says.

The definitions say where an invariant applies, how severe it is and what it means. Where an entry
stands here it decides, because it takes a tenth of the time; tests hold each one equal to what
the engine makes of the specification's expression. All others run in the engine
(`fhirserver.validation.constraints`).

Every predicate must stand any JSON below its element: rules run beside the structural checks.

Spec: https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from collections.abc import Callable

from fhirserver.validation.findings import Json
from fhirserver.validation.predicates import (
    any_of,
    at_least_one,
    code_is,
    coded,
    distinct,
    exactly_one,
    excludes,
    has,
    holds_range,
    identifier_name,
    implies,
    items,
    needs,
    none_has,
    not_negative,
    ordered_period,
    same_presence,
    times_in_order,
    ucum,
)

Predicate = Callable[[Json], bool]

CONDITION_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ALLERGY_VERIFICATION = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"


def _bundle_entries(element: str, *kinds: str) -> Predicate:
    def holds(bundle: Json) -> bool:
        expected = bundle.get("type") in kinds
        return all((element in entry) is expected for entry in items(bundle, "entry"))

    return holds


def _first_entry_is(kind: str, resource_type: str) -> Predicate:
    def holds(bundle: Json) -> bool:
        if bundle.get("type") != kind:
            return True
        first = next(items(bundle, "entry"), {})
        resource = first.get("resource")
        return isinstance(resource, dict) and resource.get("resourceType") == resource_type

    return holds


def _distinct_full_urls(bundle: Json) -> bool:
    if bundle.get("type") == "history":
        return True
    seen = []
    for entry in items(bundle, "entry"):
        if "fullUrl" in entry:
            resource = entry.get("resource")
            meta = resource.get("meta") if isinstance(resource, dict) else None
            version = meta.get("versionId") if isinstance(meta, dict) else None
            seen.append((str(entry["fullUrl"]), str(version)))
    return distinct(seen)


def _components_differ(observation: Json) -> bool:
    """obs-7: a component does not repeat the code of the observation that has a value."""
    if "component" not in observation or not has(observation, "value"):
        return True
    own = observation.get("code")
    codings = list(items(own, "coding")) if isinstance(own, dict) else []
    for component in items(observation, "component"):
        code = component.get("code")
        if isinstance(code, dict) and any(one in codings for one in items(code, "coding")):
            return False
    return True


def _problem_has_status(condition: Json) -> bool:
    """con-3: an entry of a problem list has a clinical status."""
    return (
        has(condition, "clinicalStatus")
        or coded(condition, "verificationStatus", CONDITION_VERIFICATION, "entered-in-error")
        or not any(
            coding.get("code") == "problem-list-item"
            for category in items(condition, "category")
            for coding in items(category, "coding")
        )
    )


def _one_content(parameter: Json) -> bool:
    """inv-1: a parameter has a value, a resource or parts."""
    return (has(parameter, "part") + has(parameter, "value") + has(parameter, "resource")) == 1


def _offset_fits(repeat: Json) -> bool:
    """tim-9: an offset is from an event other than a meal as such."""
    if not has(repeat, "offset"):
        return True
    when = repeat.get("when")
    return isinstance(when, list) and not any(
        one in ("C", "CM", "CD", "CV") for one in when if isinstance(one, str)
    )


_NAMED = (
    *("adf-0", "cid-0", "cmd-0", "cpb-0", "cpd-0", "csd-0", "ees-0", "esc-0", "evd-0", "evi-0"),
    *("evv-0", "gdf-0", "ig-0", "lib-0", "mea-0", "msd-0", "nsd-0", "opd-0", "pdf-0", "que-0"),
    *("red-0", "rsd-0", "rvs-0", "sdf-0", "smp-0", "spd-0", "tcp-0", "tst-0", "vsd-0"),
)

HOLDS: dict[str, Predicate] = {
    **dict.fromkeys(_NAMED, identifier_name),
    "age-1": ucum(value_needs_code=True, positive=True),
    "ait-1": any_of(
        lambda one: coded(one, "verificationStatus", ALLERGY_VERIFICATION, "entered-in-error"),
        lambda one: has(one, "clinicalStatus"),
    ),
    "ait-2": lambda one: (
        not (
            has(one, "clinicalStatus")
            and coded(one, "verificationStatus", ALLERGY_VERIFICATION, "entered-in-error")
        )
    ),
    "app-1": at_least_one("type", "actor"),
    "app-2": same_presence("start", "end"),
    "app-3": any_of(
        lambda one: has(one, "start") and has(one, "end"),
        lambda one: code_is(one, "status", "proposed", "cancelled", "waitlist"),
    ),
    "app-4": lambda one: (
        not has(one, "cancelationReason") or code_is(one, "status", "noshow", "cancelled")
    ),
    "apr-1": at_least_one("participantType", "actor"),
    "att-1": needs("data", "contentType"),
    "bdl-1": lambda one: "total" not in one or code_is(one, "type", "searchset", "history"),
    "bdl-2": lambda one: code_is(one, "type", "searchset") or none_has(one, "entry", "search"),
    "bdl-3": _bundle_entries("request", "batch", "transaction", "history"),
    "bdl-4": _bundle_entries("response", "batch-response", "transaction-response", "history"),
    "bdl-5": at_least_one("resource", "request", "response"),
    "bdl-7": _distinct_full_urls,
    "bdl-8": lambda one: "/_history/" not in str(one.get("fullUrl")),
    "bdl-9": lambda one: (
        not code_is(one, "type", "document")
        or (
            isinstance(one.get("identifier"), dict)
            and has(one["identifier"], "system")
            and has(one["identifier"], "value")
        )
    ),
    "bdl-10": lambda one: not code_is(one, "type", "document") or "timestamp" in one,
    "bdl-11": _first_entry_is("document", "Composition"),
    "bdl-12": _first_entry_is("message", "MessageHeader"),
    "ces-1": exactly_one("category", "productOrService"),
    "cmp-1": at_least_one("text", "entry", "section"),
    "cmp-2": excludes("emptyReason", "entry"),
    "cnt-3": ucum(value_needs_code=True, code="1", whole=True),
    "con-1": at_least_one("summary", "assessment"),
    "con-2": at_least_one("code", "detail"),
    "con-3": _problem_has_status,
    "con-4": lambda one: (
        not has(one, "abatement")
        or coded(one, "clinicalStatus", CONDITION_CLINICAL, "resolved", "remission", "inactive")
    ),
    "con-5": lambda one: (
        not (
            has(one, "clinicalStatus")
            and coded(one, "verificationStatus", CONDITION_VERIFICATION, "entered-in-error")
        )
    ),
    "cpl-3": excludes("detail", "reference"),
    "cpt-2": needs("value", "system"),
    "dis-1": ucum(value_needs_code=True),
    "drq-1": exactly_one("path", "searchParam"),
    "drq-2": exactly_one("path", "searchParam"),
    "drt-1": lambda one: (
        "code" not in one
        or (one.get("system") == "http://unitsofmeasure.org" and has(one, "value"))
    ),
    "eld-8": excludes("pattern", "fixed"),
    "eld-15": excludes("defaultValue", "meaningWhenMissing"),
    "eld-22": needs("sliceIsConstraining", "sliceName"),
    "exp-1": at_least_one("expression", "reference"),
    "ext-1": exactly_one("extension", "value"),
    "fhs-1": excludes("age", "born"),
    "fhs-2": needs("estimatedAge", "age"),
    "gol-1": needs("detail", "measure"),
    "grp-1": lambda one: not has(one, "member") or one.get("actual") is True,
    "imm-1": at_least_one("documentType", "reference"),
    "imr-1": at_least_one("vaccineCode", "targetDisease"),
    "inv-1 Parameters.parameter": _one_content,
    "inv-1 Task": times_in_order("authoredOn", "lastModified"),
    "ipn-1": at_least_one("identifier", "name"),
    "lnk-1": lambda one: isinstance(one.get("item"), list) and len(one["item"]) > 1,
    "lst-1": excludes("emptyReason", "entry"),
    "lst-2": lambda one: code_is(one, "mode", "changes") or none_has(one, "entry", "deleted"),
    "lst-3": lambda one: code_is(one, "mode", "working") or none_has(one, "entry", "date"),
    "mad-1": at_least_one("dose", "rate"),
    "mdd-1": times_in_order("whenPrepared", "whenHandedOver"),
    "mrp-1": lambda one: not code_is(one, "type", "data-collection") or not has(one, "group"),
    "msq-3": lambda one: one.get("coordinateSystem") in (0, 1),
    "msq-5": same_presence("chromosome", "genomeBuild"),
    "nor-1": at_least_one("oralDiet", "supplement", "enteralFormula"),
    "obs-3": at_least_one("low", "high", "text"),
    "obs-6": excludes("dataAbsentReason", "value"),
    "obs-7": _components_differ,
    "opd-1": at_least_one("type", "part"),
    "org-1": at_least_one("identifier", "name"),
    "org-2": lambda one: one.get("use") != "home",
    "org-3": lambda one: one.get("use") != "home",
    "pat-1": at_least_one("name", "telecom", "address", "organization"),
    "per-1": ordered_period,
    "ppc-1": at_least_one("policy", "policyRule"),
    "prr-1": needs("orderDetail", "code"),
    "qrs-1": excludes("answer", "item"),
    "qty-3": needs("code", "system"),
    "que-4": excludes("answerOption", "answerValueSet"),
    "que-11": excludes("answerOption", "initial"),
    "rat-1": lambda one: (
        same_presence("numerator", "denominator")(one)
        and (has(one, "numerator") or has(one, "extension"))
    ),
    "rng-2": holds_range,
    "rqg-1": exactly_one("resource", "action"),
    "sev-1": excludes("name", "query"),
    "smp-1": needs("element", "context"),
    "smp-2": needs("context", "contextType"),
    "spd-1": needs("xpath", "xpathUsage"),
    "spd-2": lambda one: not has(one, "chain") or code_is(one, "type", "reference"),
    "tim-1": needs("duration", "durationUnit"),
    "tim-2": needs("period", "periodUnit"),
    "tim-4": not_negative("duration"),
    "tim-5": not_negative("period"),
    "tim-6": needs("periodMax", "period"),
    "tim-7": needs("durationMax", "duration"),
    "tim-8": needs("countMax", "count"),
    "tim-9": _offset_fits,
    "tim-10": excludes("timeOfDay", "when"),
    "trd-1": excludes("data", "timing"),
    "trd-2": needs("condition", "data"),
    "vsd-1": at_least_one("valueSet", "system"),
    "vsd-2": implies(at_least_one("concept", "filter"), at_least_one("system")),
    "vsd-3": excludes("concept", "filter"),
    "vsd-6": at_least_one("code", "display"),
    "vsd-9": lambda one: has(one, "code") or one.get("abstract") is True,
    "vsd-10": needs("code", "system"),
}
"""By the invariant's key: whether it holds for the JSON object it applies to.

Keys that mean different things on different elements have the element's path behind them.
"""
