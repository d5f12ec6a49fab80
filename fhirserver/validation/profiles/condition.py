"""A profile's own invariants, evaluated by the FHIRPath engine.

Spec: https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from fhirserver.definitions import Constraint
from fhirserver.fhirpath import (
    Environment,
    FhirPathError,
    Path,
    TooExpensiveError,
    UnsupportedError,
    compile_path,
)
from fhirserver.validation.profiles.place import Place
from fhirserver.validation.profiles.run import Check, Run


def condition_check(constraint: Constraint) -> Check:
    """Return the check of one invariant; one that cannot be read is a warning wherever it applies."""
    message = f"{constraint.key}: {constraint.human}"
    severity = constraint.severity
    try:
        path = compile_path(constraint.expression)
    except UnsupportedError:
        return _undecided(f"{constraint.key} is no FHIRPath this server can read")

    def check_condition(place: Place, run: Run) -> None:
        if place.value is None:
            return
        try:
            holds = _evaluate(path, place, run)
        except TooExpensiveError:
            run.report("error", "too-costly", place, f"{constraint.key} is too costly to decide")
            return
        except FhirPathError:
            run.report("warning", "processing", place, f"{constraint.key} cannot be decided here")
            return
        if holds is not True:
            run.report(severity, "invariant", place, message)

    return check_condition


def _evaluate(path: Path, place: Place, run: Run) -> bool | None:
    return path.holds(
        place.value,
        type=place.type,
        root=run.resource,
        definitions=run.definitions,
        environment=Environment(now=run.now, terminology=run.terminology, conforms=run.conforms),
        resolve=run.target,
    )


def _undecided(message: str) -> Check:
    def check_nothing(place: Place, run: Run) -> None:
        run.report("warning", "processing", place, message)

    return check_nothing
