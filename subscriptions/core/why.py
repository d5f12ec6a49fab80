"""Why an alert is there: which rule, which values, what happened since, who was told and why they.

Pure: what was remembered of the alert, and the Tasks and Communications of its incident as the
reader may see them, become one Parameters resource. https://hl7.org/fhir/R4/parameters.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from fhirserver.kernel.canonical import UCUM
from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json
from subscriptions.core.alert import Alert
from subscriptions.core.device_alarm import MACHINE_EVENT
from subscriptions.core.incident_task import is_ours, page_of
from subscriptions.core.ladder_state import Roster

_QUANTITIES: Final = frozenset(("value", "limit"))
_UNIT: Final = "unit"


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened to an alert: `kind` is what, `detail` what was seen or said."""

    at: datetime
    kind: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answering:
    """What was done about an incident, as far as the reader may see it.

    `tasks` and `communications` are FHIR resources with their ids; `roster` is who would be told
    now, which says on which rung each person stands.
    """

    tasks: Sequence[Json] = ()
    communications: Sequence[Json] = ()
    roster: Roster | None = None


def why(
    alert: Alert,
    detail: Mapping[str, Any],
    evidence: Sequence[str],
    happened: Iterable[Happened],
    siblings: Sequence[Alert],
    answering: Answering,
) -> Json:
    """Return the Parameters that explain `alert`.

    `evidence` are references to what it rests on, `siblings` the other alerts of its incident.
    """
    rows: list[Json] = [
        _group("alert", _alert(alert)),
        _group("rule", _rule(alert, detail)),
        _group("seen", _detail(detail)),
        *({"name": "evidence", "valueReference": {"reference": one}} for one in evidence),
        *(_group("happened", _happened(one)) for one in happened),
        *(_group("incident", in_short(one)) for one in siblings),
        *(_group("person", parts) for parts in _people(answering)),
    ]
    return {"resourceType": "Parameters", "parameter": rows}


def _alert(alert: Alert) -> list[Json]:
    coding = {"system": alert.system, "code": alert.code, "display": alert.display}
    rows: list[Json] = [
        {"name": "code", "valueCoding": coding},
        *_codes(
            priority=alert.priority,
            kind=alert.kind,
            condition=alert.condition,
            response=alert.response,
            signal=alert.signal,
        ),
        *_moments(
            onset=alert.onset,
            raised=alert.raised,
            rang=alert.rang,
            ended=alert.ended,
            closed=alert.closed,
        ),
        {"name": "delayed", "valueBoolean": alert.delayed},
        {"name": "calls-people", "valueBoolean": alert.pages},
        {"name": "times-rung", "valuePositiveInt": alert.generation},
    ]
    if alert.device is not None:
        rows.append({"name": "device", "valueReference": {"reference": f"Device/{alert.device}"}})
    return rows


def _rule(alert: Alert, detail: Mapping[str, Any]) -> list[Json]:
    if alert.rule is None:
        by = "the machine itself" if detail.get("reason") == MACHINE_EVENT else "the server"
        return [{"name": "by", "valueString": by}]
    rows = [{"name": "source", "valueString": alert.rule}]
    if alert.rule_version is not None:
        rows.append({"name": "version", "valueString": alert.rule_version})
    return rows


def _detail(detail: Mapping[str, Any]) -> list[Json]:
    unit = detail.get(_UNIT)
    return [
        _value(name, value, unit if name in _QUANTITIES else None)
        for name, value in detail.items()
        if value is not None and name != _UNIT
    ]


def _value(name: str, value: Any, unit: Any) -> Json:
    if isinstance(value, bool):
        return {"name": name, "valueBoolean": value}
    number = _number(value)
    if unit is not None and number is not None:
        quantity = {"value": number, "unit": str(unit), "system": UCUM, "code": str(unit)}
        return {"name": name, "valueQuantity": quantity}
    return {"name": name, "valueString": str(value)}


def _number(value: Any) -> Decimal | int | None:
    if isinstance(value, int | Decimal):
        return value
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _happened(one: Happened) -> list[Json]:
    return [
        {"name": "at", "valueInstant": instant(one.at)},
        {"name": "what", "valueCode": one.kind},
        *_detail(one.detail),
    ]


def in_short(alert: Alert) -> list[Json]:
    """Return the parts that name an alert: what it is, how urgent, since when, and its Flag."""
    coding = {"system": alert.system, "code": alert.code, "display": alert.display}
    rows: list[Json] = [
        {"name": "code", "valueCoding": coding},
        *_codes(priority=alert.priority),
        *_moments(raised=alert.raised),
    ]
    if alert.flag is not None:
        rows.append({"name": "flag", "valueReference": {"reference": f"Flag/{alert.flag}"}})
    return rows


def _people(answering: Answering) -> list[list[Json]]:
    places = {} if answering.roster is None else {c.member: c for c in answering.roster.contacts}
    messages: dict[str, list[Json]] = {}
    for one in answering.communications:
        for about in one.get("partOf", ()):
            messages.setdefault(str(about.get("reference", "")), []).append(one)
    told: list[list[Json]] = []
    for task in sorted(answering.tasks, key=lambda one: str(one.get("authoredOn", ""))):
        if not is_ours(task, "page"):
            continue
        member = str(task["owner"]["reference"])
        reference = f"Task/{task['id']}"
        parts: list[Json] = [
            {"name": "who", "valueReference": {"reference": member}},
            {"name": "task", "valueReference": {"reference": reference}},
            *_codes(status=str(task["status"])),
        ]
        page = page_of(task)
        if page is not None:
            parts.append({"name": "purpose", "valueCode": page.purpose})
            parts.append({"name": "times-told", "valuePositiveInt": page.number})
        place = places.pop(member, None)
        if place is None:
            parts.append({"name": "why", "valueString": "stood on the ladder then, not any more"})
        else:
            parts.append({"name": "why", "valueString": f"stands on rung {place.rung}"})
        skipped = task.get("statusReason", {}).get("text")
        if skipped is not None:
            parts.append({"name": "passed-over", "valueString": str(skipped)})
        parts += [_message(one) for one in messages.get(reference, ())]
        told.append(parts)
    for member, place in places.items():
        reason = "not told: " + (place.unreachable or "the ladder ended before their rung")
        told.append(
            [
                {"name": "who", "valueReference": {"reference": member}},
                {"name": "why", "valueString": f"stands on rung {place.rung}"},
                {"name": "passed-over", "valueString": reason},
            ]
        )
    return told


def _message(communication: Json) -> Json:
    codings = [
        coding for medium in communication.get("medium", ()) for coding in medium.get("coding", ())
    ]
    rows: list[Json] = [
        {
            "name": "communication",
            "valueReference": {"reference": f"Communication/{communication['id']}"},
        },
        *_codes(status=str(communication["status"])),
        *({"name": "medium", "valueCoding": coding} for coding in codings),
    ]
    rows += [
        {"name": name, "valueDateTime": communication[name]}
        for name in ("sent", "received")
        if name in communication
    ]
    reason = communication.get("statusReason", {}).get("text")
    if reason is not None:
        rows.append({"name": "reason", "valueString": str(reason)})
    return _group("message", rows)


def _codes(**values: str) -> list[Json]:
    return [{"name": name, "valueCode": value} for name, value in values.items()]


def _moments(**values: datetime | None) -> list[Json]:
    return [
        {"name": name, "valueInstant": instant(value)}
        for name, value in values.items()
        if value is not None
    ]


def _group(name: str, parts: list[Json]) -> Json:
    return {"name": name, "part": parts}
