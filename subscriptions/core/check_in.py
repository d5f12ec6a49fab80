"""What somebody says about how the patient is: "I am OK", or "not well". Pure.

It is recorded as an Observation. "Not well" calls somebody, as an alert of priority PM; "I am OK"
ends that one and nothing else: it never closes what a machine or a measured value has raised.
https://hl7.org/fhir/R4/observation.html
"""

from datetime import datetime
from typing import Final, Literal

from fhirserver.kernel.canonical import (
    ACT_REASON,
    OBSERVATION_CATEGORY,
    TREATMENT_CODES,
)
from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json
from subscriptions.core.event_codes import NOT_WELL
from subscriptions.core.findings import Finding, What, own_finding

CheckIn = Literal["ok", "not-well"]
_DISPLAY: Final[dict[CheckIn, str]] = {"ok": "OK", "not-well": "Not well"}


def observation(
    said: CheckIn,
    *,
    patient: str,
    by: str | None,
    note: str | None,
    procedure: str | None,
    simulated: bool,
    now: datetime,
) -> Json:
    """Return the Observation of what `by` (a reference) said about `patient`.

    `procedure` is the id of the treatment it was said in.
    """
    content: Json = {"resourceType": "Observation"}
    if simulated:
        content["meta"] = {"security": [{"system": ACT_REASON, "code": "HTEST"}]}
    if procedure is not None:
        content["partOf"] = [{"reference": f"Procedure/{procedure}"}]
    content |= {
        "status": "final",
        "category": [{"coding": [{"system": OBSERVATION_CATEGORY, "code": "survey"}]}],
        "code": {
            "coding": [{"system": TREATMENT_CODES, "code": "check-in", "display": "Check-in"}]
        },
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": instant(now),
        "valueCodeableConcept": {
            "coding": [{"system": TREATMENT_CODES, "code": said, "display": _DISPLAY[said]}]
        },
    }
    if by is not None:
        content["performer"] = [{"reference": by}]
    if note is not None:
        content["note"] = [{"text": note}]
    return content


def findings(
    said: CheckIn, *, patient: str, evidence: str, simulated: bool, now: datetime
) -> list[Finding]:
    """Return what follows: "not well" rings anew each time it is said and nobody is on it."""
    over = _finding("ended", patient, evidence, simulated=simulated, now=now)
    if said == "ok":
        return [over]
    return [over, _finding("breached", patient, evidence, simulated=simulated, now=now)]


def _finding(what: What, patient: str, evidence: str, *, simulated: bool, now: datetime) -> Finding:
    return own_finding(
        what,
        NOT_WELL,
        key="not-well",
        patient=patient,
        device=None,
        priority="PM",
        at=now,
        simulated=simulated,
        detail={"reason": "said so" if what == "breached" else "said to be well"},
        damped=False,
        evidence=evidence,
    )
