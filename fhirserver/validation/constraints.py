"""The specification's invariants: all of them, each at its place.

An invariant is broken unless its FHIRPath gives true, as in HL7's own validator: "must have a code
if not abstract" is broken where `abstract` is missing. Only where a comparison has no answer,
because dates are less precise than needed or units do not convert, nothing is held against it.

Rules that need more than their own element are in other modules: dom-2 to dom-5 and ref-1 (the
whole resource) in containment, txt-1 and txt-2 (XHTML) in narrative, ele-1 in structure.

Spec: https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from fhirserver.definitions import Constraint, Element, Structure
from fhirserver.fhirpath import FhirPathError, Path, compile_path
from fhirserver.validation.bundle import check_bundle
from fhirserver.validation.findings import Finding, Findings, Json
from fhirserver.validation.invariants import HOLDS

ELSEWHERE: Final = frozenset(
    {"dom-2", "dom-3", "dom-4", "dom-5", "ele-1", "ref-1", "txt-1", "txt-2"}
)
"""Checked by other modules."""

BEST_PRACTICE: Final = frozenset({"dom-6"})
"""Advice that is only given to whoever asks for it: data of devices never has a narrative."""

_NAME: Final = "name.empty() or name.matchesFull('[A-Z]([A-Za-z0-9_]){0,254}')"

CORRECTED: Final[dict[str, tuple[str, str]]] = {
    # key -> (expression, why R4's own cannot be used)
    "con-3": (
        (
            "clinicalStatus.exists() or verificationStatus.coding.where(system="
            "'http://terminology.hl7.org/CodeSystem/condition-ver-status' and code ="
            " 'entered-in-error').exists() or"
            " category.coding.where(code = 'problem-list-item').empty()"
        ),
        "R4 compares a CodeableConcept with a string; the words say what is meant",
    ),
    "que-7": (
        "operator = 'exists' implies (answer is boolean)",
        "R4 writes Boolean, which is no type of FHIR; corrected in R4B",
    ),
    "tim-9": (
        (
            "offset.empty() or (when.exists() and"
            " when.select($this in ('C' | 'CM' | 'CD' | 'CV')).allFalse())"
        ),
        "R4 asks `in` for a list, which takes one item; corrected in R4B",
    ),
}

WHOLE_PATH: Final = frozenset({"eld-19", "eld-20"})
"""Where matches() is meant for the whole text; nowadays it finds a part."""

UNDECIDED: Final = frozenset({"per-1", "rng-2", "mdd-1", "inv-1 Task"})
"""Comparisons for which no answer is no fault."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """One invariant at its place. `holds(value)` is asked with the JSON object it applies to."""

    key: str
    severity: Literal["error", "warning"]
    human: str
    holds: Callable[[Any], bool]

    def finding(self) -> Finding:
        """The fault, located at the object itself."""
        return Finding("invariant", f"{self.key}: {self.human}", severity=self.severity)

    def check(self, value: Any, _parent: object) -> Findings:
        """The invariant as a check of a value."""
        return None if self.holds(value) else [self.finding()]


def expression_of(constraint: Constraint) -> str:
    """The FHIRPath that decides: the specification's, or its correction."""
    if constraint.key.endswith("-0"):
        return _NAME
    if constraint.key in WHOLE_PATH:
        return constraint.expression.replace(".matches(", ".matchesFull(")
    corrected = CORRECTED.get(constraint.key)
    return corrected[0] if corrected is not None else constraint.expression


def invariants_of(constraints: Sequence[Constraint], type_: str) -> tuple[Invariant, ...]:
    """The invariants that look at nothing but their own value of `type_`, in order."""
    return tuple(
        Invariant(one.key, one.severity, one.human, predicate_of(one, type_))
        for one in constraints
        if one.key not in ELSEWHERE and one.key not in BEST_PRACTICE and not is_wide(one)
    )


def predicate_of(constraint: Constraint, type_: str) -> Callable[[Any], bool]:
    """Whether a value of `type_` keeps `constraint`, by hand where there is an entry, else by
    the engine.
    """
    named = f"{constraint.key} {type_}"
    by_hand = HOLDS.get(named) or HOLDS.get(constraint.key)
    return by_hand if by_hand is not None else by_engine(constraint, type_)


def by_engine(constraint: Constraint, type_: str) -> Callable[[Any], bool]:
    """What the expression itself says."""
    path = compile_path(expression_of(constraint))
    lenient = constraint.key in UNDECIDED or f"{constraint.key} {type_}" in UNDECIDED

    def holds(value: Any) -> bool:
        return _holds(path, value, type_, lenient=lenient)

    return holds


def is_wide(constraint: Constraint) -> bool:
    """Whether the expression looks beyond its element, at the resource or another one."""
    if constraint.key in HOLDS or constraint.key in ELSEWHERE:
        return False
    return "%resource" in constraint.expression or "resolve()" in constraint.expression


def wide_rules(structure: Structure) -> list[Callable[[Json], Findings]]:
    """The checks of a whole resource: what `invariants_of` leaves out, and the rules of Bundles."""
    rules = [_wide_invariants(structure)]
    if structure.name == "Bundle":
        rules.append(check_bundle)
    return [one for one in rules if one is not None]


def _wide_invariants(structure: Structure) -> Callable[[Json], Findings] | None:
    rules = [
        (compile_path(path), compile_path(expression_of(one)), one)
        for path, one in constraints_below(structure)
        if is_wide(one)
    ]
    if not rules:
        return None

    def check_wide(resource: Json) -> Findings:
        found: list[Finding] = []
        for place, path, rule in rules:
            lenient = rule.key in UNDECIDED
            for node in place.nodes(resource):
                if not _holds(path, node, None, lenient=lenient):
                    message = f"{rule.key}: {rule.human}"
                    at = node.place().removeprefix(structure.name)
                    found.append(Finding("invariant", message, at, severity=rule.severity))
        return found or None

    return check_wide


def constraints_below(structure: Structure) -> Iterator[tuple[str, Constraint]]:
    """Every constraint of a structure with the path it is on, the elements' own included."""
    for one in structure.constraints:
        yield structure.name, one
    pending: list[Element] = list(structure.elements)
    while pending:
        element = pending.pop(0)
        for one in element.constraints:
            yield element.path, one
        pending.extend(element.elements)


def _holds(path: Path, value: Any, type_: str | None, *, lenient: bool) -> bool:
    try:
        verdict = path.holds(value, type=type_)
    except FhirPathError:
        # Values of the wrong JSON type, or too many: faults of structure, told as such.
        return True
    return lenient if verdict is None else verdict
