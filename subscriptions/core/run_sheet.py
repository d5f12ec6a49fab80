"""The run sheet of a treatment: least, mean and most of what was measured, and what went wrong. Pure.

A DiagnosticReport with everything it says contained in it, so that it stays as it was written:
https://hl7.org/fhir/R4/diagnosticreport.html. Statistics are coded as in
http://terminology.hl7.org/CodeSystem/observation-statistics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from fhirserver.kernel.canonical import ACT_REASON, MDC, TREATMENT_CODES, UCUM
from fhirserver.kernel.figures import Figures
from fhirserver.kernel.instant import instant
from fhirserver.kernel.readings import Priority
from fhirserver.kernel.resource import Json
from subscriptions.core.alert import Alert

_STATISTICS: Final = "http://terminology.hl7.org/CodeSystem/observation-statistics"
_PRIORITY_CODES: Final = "http://hl7.org/fhir/flag-priority-code"
_REMOVED: Final = "159032"
_PRIORITIES: Final[tuple[Priority, ...]] = ("PH", "PM", "PL")
_HOUR: Final = Decimal(3600)


@dataclass(frozen=True, slots=True)
class Line:
    """One quantity of the run sheet; `panel` is the MDC code of the panel it is a component of."""

    code: str
    display: str
    unit: str
    panel: str | None = None


LINES: Final = (
    Line("158740", "Blood flow", "mL/min"),
    Line("158744", "Arterial line pressure", "mm[Hg]"),
    Line("158776", "Venous line pressure", "mm[Hg]"),
    Line("158852", "Transmembrane pressure", "mm[Hg]"),
    Line("158772", "Blood processed", "L"),
    Line("158792", "Dialysate flow", "mL/min"),
    Line("158788", "Dialysate conductivity", "mS/cm"),
    Line("158796", "Dialysate temperature", "Cel"),
    Line("159036", "Ultrafiltration rate", "mL/h"),
    Line(_REMOVED, "Ultrafiltrate removed", "mL"),
    Line("159044", "Relative blood volume", "%"),
    Line("150021", "Systolic blood pressure", "mm[Hg]", "150020"),
    Line("150022", "Diastolic blood pressure", "mm[Hg]", "150020"),
    Line("150023", "Mean blood pressure", "mm[Hg]", "150020"),
    Line("149546", "Pulse rate", "/min"),
)
CODES: Final[Mapping[str, str | None]] = {line.code: line.panel for line in LINES}


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything a run sheet is made of. `dry_weight` (kg) is the plan's, None without one."""

    patient: str
    started: datetime
    ended: datetime
    figures: Mapping[str, Figures]
    alerts: Sequence[Alert]
    dry_weight: Decimal | None
    simulated: bool


def report_id(procedure: str) -> str:
    """Return the id of the run sheet of a treatment, always the same one."""
    return "run-sheet-" + procedure.removeprefix("treatment-")


def report(sheet: Sheet, now: datetime, *, amends: bool) -> Json:
    """Return the DiagnosticReport; `amends`: there was one before."""
    contained = [
        *(_measured(sheet, line) for line in LINES if line.code in sheet.figures),
        *_per_kilogram(sheet),
        *(_event(sheet, alert, number) for number, alert in enumerate(sheet.alerts, 1)),
    ]
    content: Json = {"resourceType": "DiagnosticReport"}
    if sheet.simulated:
        content["meta"] = {"security": [{"system": ACT_REASON, "code": "HTEST"}]}
    if contained:
        content["contained"] = contained
    content |= {
        "status": "amended" if amends else "final",
        "code": {
            "coding": [{"system": TREATMENT_CODES, "code": "run-sheet", "display": "Run sheet"}]
        },
        "subject": {"reference": f"Patient/{sheet.patient}"},
        "effectivePeriod": _period(sheet),
        "issued": instant(now),
        "conclusion": _conclusion(sheet),
    }
    if contained:
        content["result"] = [{"reference": f"#{one['id']}"} for one in contained]
    return content


def _measured(sheet: Sheet, line: Line) -> Json:
    figures = sheet.figures[line.code]
    values = (
        ("minimum", "Minimum", figures.least),
        ("average", "Average", _rounded(figures)),
        ("maximum", "Maximum", figures.most),
    )
    components: list[Json] = [
        {"code": _statistic(code, display), "valueQuantity": _quantity(value, line.unit)}
        for code, display, value in values
    ]
    components.append({"code": _statistic("count", "Count"), "valueInteger": figures.number})
    return _frame(sheet, f"m{line.code}") | {
        "code": {"coding": [{"system": MDC, "code": line.code}], "text": line.display},
        "effectivePeriod": _period(sheet),
        "component": components,
    }


def _per_kilogram(sheet: Sheet) -> list[Json]:
    """Return the mean rate of ultrafiltration by dry weight, where both are known."""
    removed = sheet.figures.get(_REMOVED)
    hours = Decimal((sheet.ended - sheet.started).total_seconds()) / _HOUR
    if removed is None or sheet.dry_weight is None or hours <= 0:
        return []
    rate = (removed.most / sheet.dry_weight / hours).quantize(Decimal("0.1"), ROUND_HALF_EVEN)
    code = {
        "system": TREATMENT_CODES,
        "code": "ultrafiltration-by-weight",
        "display": "Mean ultrafiltration rate by dry weight",
    }
    return [
        _frame(sheet, "ultrafiltration")
        | {
            "code": {"coding": [code]},
            "effectivePeriod": _period(sheet),
            "valueQuantity": _quantity(rate, "mL/kg/h"),
        }
    ]


def _event(sheet: Sheet, alert: Alert, number: int) -> Json:
    content = _frame(sheet, f"e{number}") | {
        "code": {
            "coding": [{"system": alert.system, "code": alert.code}],
            "text": alert.display,
        },
        "effectiveDateTime": instant(alert.onset),
        "valueCodeableConcept": {"coding": [{"system": _PRIORITY_CODES, "code": alert.priority}]},
    }
    if alert.flag is not None:
        content["focus"] = [{"reference": f"Flag/{alert.flag}"}]
    return content


def _frame(sheet: Sheet, id_: str) -> Json:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "subject": {"reference": f"Patient/{sheet.patient}"},
    }


def _conclusion(sheet: Sheet) -> str:
    minutes = round((sheet.ended - sheet.started).total_seconds() / 60)
    parts = [f"{minutes} min."]
    removed = sheet.figures.get(_REMOVED)
    if removed is not None:
        parts.append(f"{removed.most} mL removed.")
    counts = {one: sum(alert.priority == one for alert in sheet.alerts) for one in _PRIORITIES}
    told = ", ".join(f"{count} {one}" for one, count in counts.items() if count)
    parts.append(f"Alerts: {told}." if told else "No alerts.")
    return " ".join(parts)


def _period(sheet: Sheet) -> Json:
    return {"start": instant(sheet.started), "end": instant(sheet.ended)}


def _rounded(figures: Figures) -> Decimal:
    """Return the mean with one digit more than what was measured."""
    digits = max(_digits(figures.least), _digits(figures.most)) + 1
    return figures.mean.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)


def _digits(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _quantity(value: Decimal, unit: str) -> Json:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def _statistic(code: str, display: str) -> Json:
    return {"coding": [{"system": _STATISTICS, "code": code, "display": display}]}
