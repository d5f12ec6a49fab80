"""The Flag of an alert: its public face.

https://hl7.org/fhir/R4/flag.html

R4 has no alert resource; the row is the truth, the Flag shows it to every FHIR client. PL alerts
get none.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from fhirserver.kernel import canonical
from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json
from subscriptions.core.alert import Alert, ResponseState

SERVER_DEVICE: Final = "fhirserver"
_PRIORITY_CODES: Final = "http://hl7.org/fhir/flag-priority-code"
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/flag-category"
_PRIORITY_DISPLAY: Final = {"PH": "High priority", "PM": "Medium priority", "PL": "Low priority"}
# Responses that people gave; the others say how far the server has got with telling them.
_ANSWERS: Final[frozenset[ResponseState]] = frozenset(
    ("acknowledged", "accepted", "at-patient", "closed")
)
_REFERENCE: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Answered:
    """How far people have got with an alert: since when, and who ("" for nobody named)."""

    code: ResponseState
    at: str
    who: str

    @classmethod
    def of(cls, flag: Json) -> Self | None:
        """Return what `flag` says, None while nobody has answered."""
        for extension in flag.get("extension", ()):
            if extension.get("url") == canonical.ALERT_ANSWER:
                parts = {part.get("url"): part for part in extension.get("extension", ())}
                reference = parts.get("who", {}).get("valueReference", {})
                who = reference.get("reference") or reference.get("display") or ""
                return cls(parts["code"]["valueCode"], parts["at"]["valueInstant"], str(who))
        return None

    @classmethod
    def by(cls, alert: Alert, who: str, at: datetime) -> Self | None:
        """Return that `who` answered `alert` as it stands now, None while nobody has."""
        code = answer_of(alert)
        return None if code is None else cls(code, instant(at), who)

    def extension(self) -> Json:
        """Return it as an extension of a Flag."""
        parts: list[Json] = [
            {"url": "code", "valueCode": self.code},
            {"url": "at", "valueInstant": self.at},
        ]
        if self.who:
            name = "reference" if _REFERENCE.fullmatch(self.who) else "display"
            parts.append({"url": "who", "valueReference": {name: self.who}})
        return {"url": canonical.ALERT_ANSWER, "extension": parts}


def answer_of(alert: Alert) -> ResponseState | None:
    """Return how far people have got with `alert`, None while nobody has answered."""
    return alert.response if alert.response in _ANSWERS else None


def flag_of(
    alert: Alert, *, subject: str, evidence: tuple[str, ...], answered: Answered | None = None
) -> Json:
    """Return the Flag of `alert` about `subject` (a reference) with the `evidence` it rests on.

    `answered` counts as long as it is how the alert stands.
    """
    extensions: list[Json] = [
        {
            "url": canonical.FLAG_PRIORITY,
            "valueCodeableConcept": {
                "coding": [
                    {
                        "system": _PRIORITY_CODES,
                        "code": alert.priority,
                        "display": _PRIORITY_DISPLAY[alert.priority],
                    }
                ]
            },
        },
        *(
            {"url": canonical.FLAG_DETAIL, "valueReference": {"reference": reference}}
            for reference in evidence
        ),
        {"url": canonical.INCIDENT, "valueString": str(alert.incident)},
        {"url": canonical.CONDITION_PRESENCE, "valueCode": alert.condition},
        {"url": canonical.ALERT_TYPE, "valueCode": alert.kind},
    ]
    if answered is not None and answered.code == alert.response:
        extensions.append(answered.extension())
    if alert.rule_version is not None:
        extensions.append({"url": canonical.RULE_VERSION, "valueString": alert.rule_version})
    if alert.device is not None:
        device = {"reference": f"Device/{alert.device}"}
        extensions.append({"url": canonical.ALERT_DEVICE, "valueReference": device})
    if (source := source_of(alert)) is not None:
        concept = {"coding": [{"system": canonical.MDC, "code": source}]}
        extensions.append({"url": canonical.ALERT_SOURCE, "valueCodeableConcept": concept})
    period: dict[str, Any] = {"start": instant(alert.onset)}
    if alert.closed is not None:
        period["end"] = instant(max(alert.closed, alert.onset))
    flag: Json = {"resourceType": "Flag"}
    if alert.simulated:
        flag["meta"] = {"security": [{"system": canonical.ACT_REASON, "code": "HTEST"}]}
    return flag | {
        "extension": extensions,
        "identifier": [{"system": canonical.ALERT_IDENTIFIER, "value": str(alert.id)}],
        "status": "active" if alert.is_open else "inactive",
        "category": [
            {"coding": [{"system": canonical.FLAG_CATEGORIES, "code": "device"}]},
            {"coding": [{"system": _CATEGORY, "code": "safety", "display": "Safety"}]},
        ],
        "code": {
            "coding": [{"system": alert.system, "code": alert.code}],
            "text": alert.display,
        },
        "subject": {"reference": subject},
        "period": period,
        "author": {"reference": f"Device/{SERVER_DEVICE}"},
    }


def evidence_in(flag: Json) -> tuple[str, ...]:
    """Return the references to the Observations a Flag rests on."""
    return tuple(
        extension["valueReference"]["reference"]
        for extension in flag.get("extension", ())
        if extension.get("url") == canonical.FLAG_DETAIL
    )


def source_of(alert: Alert) -> str | None:
    """Return the code of the measure that a machine's alarm is about; None where it names none."""
    kind, _, rest = alert.key.partition(":")
    source = rest.rpartition(":")[2] if kind == "event" else ""
    return source if source.isascii() and source.isdigit() else None
