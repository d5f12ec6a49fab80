"""The Procedure of a treatment. Pure.

https://hl7.org/fhir/R4/procedure.html. One per treatment, made by the server when a machine begins
to treat the patient it is bound to; whatever people add to it stays.
"""

from datetime import datetime
from typing import Any, Final

from fhirserver.kernel.canonical import ACT_REASON, SNOMED, THERAPY_IDENTIFIER
from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json
from subscriptions.core.session import Session

HEMODIALYSIS: Final[Json] = {"system": SNOMED, "code": "302497006", "display": "Hemodialysis"}
# Statuses of a Procedure that goes on; in any other it is over.
_GOES_ON: Final = ("preparation", "in-progress", "on-hold", "unknown")


def procedure_of(session: Session, care_plan: str | None) -> Json:
    """Return the Procedure of a treatment that has begun; `care_plan` is the id of the plan it follows."""
    content: Json = {"resourceType": "Procedure"}
    if session.simulated:
        content["meta"] = {"security": [{"system": ACT_REASON, "code": "HTEST"}]}
    if session.therapy is not None:
        content["identifier"] = [{"system": THERAPY_IDENTIFIER, "value": session.therapy}]
    if care_plan is not None:
        content["basedOn"] = [{"reference": f"CarePlan/{care_plan}"}]
    return content | {
        "status": "in-progress",
        "code": {"coding": [HEMODIALYSIS]},
        "subject": {"reference": f"Patient/{session.patient}"},
        "performedPeriod": {"start": instant(session.started)},
        "usedReference": [{"reference": f"Device/{session.device}"}],
    }


def ended(procedure: Json, at: datetime) -> Json:
    """Return the Procedure of a treatment that was over `at`."""
    return _with_end(procedure, at) | {"status": "completed"}


def lost(procedure: Json) -> Json:
    """Return the Procedure of a treatment that is over since nobody knows when."""
    return {**procedure, "status": "unknown"}


def taken_up_again(procedure: Json) -> Json:
    """Return the Procedure of a treatment that goes on after all."""
    period = {key: value for key, value in _period(procedure).items() if key != "end"}
    return {**procedure, "status": "in-progress", "performedPeriod": period}


def with_report(procedure: Json, report: str) -> Json:
    """Return the Procedure with the run sheet ``DiagnosticReport/<report>``."""
    reference = {"reference": f"DiagnosticReport/{report}"}
    known = procedure.get("report", [])
    return procedure if reference in known else {**procedure, "report": [*known, reference]}


def is_over(procedure: Json | None) -> bool:
    """Return whether somebody says that the treatment is over; a deleted Procedure says so too."""
    return procedure is None or procedure.get("status") not in _GOES_ON


def _with_end(procedure: Json, at: datetime) -> Json:
    return {**procedure, "performedPeriod": {**_period(procedure), "end": instant(at)}}


def _period(procedure: Json) -> dict[str, Any]:
    period = procedure.get("performedPeriod", {})
    return period if isinstance(period, dict) else {}
