"""What happens, put together from FHIR resources and the phone company's events. Pure.

Each `absorb` takes what was just read and returns the new lines of the story; the same resource
read twice tells nothing new.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from simulator import codes
from simulator.demo.cast import HOUSEHOLDS, Household, names, phones

Json = dict[str, Any]
LineKind = Literal[
    "ready", "reading", "scenario", "alert", "told", "answer", "phone", "end", "fault"
]

FLAG_PRIORITY = "http://hl7.org/fhir/StructureDefinition/flag-priority"
FLAG_DETAIL = "http://hl7.org/fhir/StructureDefinition/flag-detail"
INCIDENT = "https://w3id.org/fhirserver/StructureDefinition/incident"
RULE_VERSION = "https://w3id.org/fhirserver/StructureDefinition/rule-version"

_TASK_WORDS: Mapping[str, str] = {
    "requested": "is being called",
    "received": "has seen it",
    "accepted": "is coming",
    "in-progress": "is at the patient",
    "rejected": "cannot come",
    "completed": "has answered; done",
    "cancelled": "is not called any more",
    "failed": "could not be reached",
}


_MESSAGE_WORDS: Mapping[str, str] = {"in-progress": "handed over", "completed": "arrived"}
_MEASURES: Mapping[str, str] = {
    metric.code: metric.name for metric in codes.MACHINE_METRICS + codes.CUFF_METRICS
}
# What is said of a home: the measures a story is about.
_SPOKEN = (codes.VENOUS_PRESSURE, codes.BLOOD_FLOW, codes.SYSTOLIC)
READINGS_EVERY_S = 20.0
# [P] A machine speaks every second; older than this its values say nothing about now.
MACHINE_STALE_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story: when, which home (None: nobody's), what."""

    at: datetime
    kind: LineKind
    home: str | None
    text: str


@dataclass(slots=True)
class Value:
    """The last value of one measure."""

    name: str
    text: str
    unit: str
    at: datetime


@dataclass(slots=True)
class Told:
    """One message to one person about an alert."""

    who: str
    channel: str
    at: datetime
    status: str


@dataclass(slots=True)
class Alert:
    """One Flag as the page shows it."""

    id: str
    home: str
    priority: str
    text: str
    rule: str
    active: bool
    start: datetime
    evidence: str = ""
    told: list[Told] = field(default_factory=list)


def moment(text: str | None, fallback: datetime) -> datetime:
    """Return a FHIR instant or dateTime; `fallback` when there is none with a time zone."""
    if not text:
        return fallback
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return fallback
    return fallback if parsed.tzinfo is None else parsed.astimezone(UTC)


def extension(resource: Json, url: str) -> Json:
    """Return the first extension with `url`, empty when there is none."""
    found: Json = next((e for e in resource.get("extension", []) if e.get("url") == url), {})
    return found


def _text(concept: Json) -> str:
    if concept.get("text"):
        return str(concept["text"])
    return next(
        (
            str(coding.get("display") or coding.get("code"))
            for coding in concept.get("coding", [])
            if coding.get("display") or coding.get("code")
        ),
        "",
    )


def clock_time(at: datetime) -> str:
    """Return the local time of day."""
    return f"{at.astimezone():%H:%M:%S}"


def measure(concept: Json) -> str:
    """Return the plain name of a measure whose MDC code is known, else what the code says."""
    for coding in concept.get("coding", []):
        if coding.get("code") in _MEASURES:
            return _MEASURES[coding["code"]]
    return _text(concept)


def _noticed_by(flag: Json) -> str:
    """Return who noticed, for an alert that no rule explains."""
    systems = {coding.get("system") for coding in flag.get("code", {}).get("coding", [])}
    return "the server's own watch" if codes.SERVER_ALERTS in systems else "the device's own alarm"


def describe(observation: Json) -> str:
    """Return an Observation in words: its measures with values and units, and when."""
    parts: list[str] = []
    for element in (observation, *observation.get("component", [])):
        quantity = element.get("valueQuantity")
        if quantity is not None and "value" in quantity:
            unit = quantity.get("unit") or quantity.get("code", "")
            parts.append(f"{measure(element.get('code', {}))} {quantity['value']} {unit}".strip())
    taken = moment(observation.get("effectiveDateTime"), datetime.min.replace(tzinfo=UTC))
    when = "" if taken.year == 1 else f" at {clock_time(taken)}"
    return ", ".join(parts) + when if parts else ""


class Picture:
    """What is known now, and the story so far."""

    def __init__(self, households: Iterable[Household] = HOUSEHOLDS) -> None:
        self._homes = {home.patient.reference: home for home in households}
        self._names = names()
        self._phones = {person.phone: person.name for person in phones()}
        self._home_of_phone = {
            person.phone: home.key
            for home in self._homes.values()
            for person in (home.partner, home.second)
        }
        self._versions: dict[str, str] = {}
        self._tasks: dict[str, Json] = {}
        self._told: dict[str, Told] = {}
        self._told_of_incident: dict[str, list[Told]] = {}
        self._readings_told: datetime | None = None
        self.story: list[Line] = []
        self.values: dict[str, dict[str, Value]] = {key.key: {} for key in self._homes.values()}
        self.alerts: dict[str, Alert] = {}

    def add(self, *lines: Line) -> list[Line]:
        """Put `lines` into the story and return them."""
        self.story.extend(lines)
        return list(lines)

    def home_key(self, resource: Json) -> str | None:
        """Return the key of the home a resource is about, None for nobody of the cast."""
        for element in ("subject", "for", "patient"):
            reference = resource.get(element, {}).get("reference", "")
            if reference in self._homes:
                return self._homes[reference].key
        return None

    def name(self, reference: str) -> str:
        """Return the name behind a reference, else the reference."""
        return self._names.get(reference, reference)

    def absorb_observations(self, observations: Iterable[Json], now: datetime) -> None:
        """Take in readings; the newest of each measure stands."""
        for observation in observations:
            key = self.home_key(observation)
            if key is None:
                continue
            taken = moment(observation.get("effectiveDateTime"), now)
            for element in (observation, *observation.get("component", [])):
                quantity = element.get("valueQuantity")
                codings = element.get("code", {}).get("coding", [])
                if quantity is None or "value" not in quantity or not codings:
                    continue
                code = next(
                    (c["code"] for c in codings if c.get("system", "").endswith(":11073:10101")),
                    codings[0].get("code", ""),
                )
                known = self.values[key].get(code)
                if known is None or known.at <= taken:
                    self.values[key][code] = Value(
                        measure(element["code"]),
                        str(quantity["value"]),
                        quantity.get("unit") or quantity.get("code", ""),
                        taken,
                    )

    def readings(self, key: str, now: datetime) -> str:
        """Return the last readings of a home in words; a silent machine is said to be silent."""
        known = self.values[key]
        parts: list[str] = []
        machine = known.get(codes.VENOUS_PRESSURE)
        silent = machine is not None and (now - machine.at).total_seconds() > MACHINE_STALE_AFTER_S
        if machine is not None and silent:
            parts.append(f"no data from the machine since {clock_time(machine.at)}")
        for code in _SPOKEN:
            value = known.get(code)
            if value is not None and not (silent and code != codes.SYSTOLIC):
                parts.append(f"{value.name} {value.text} {value.unit}")
        return ", ".join(parts)

    def tell_readings(self, now: datetime) -> list[Line]:
        """Return one line of readings for each home, every `READINGS_EVERY_S`; not kept."""
        told = self._readings_told
        if told is not None and (now - told).total_seconds() < READINGS_EVERY_S:
            return []
        self._readings_told = now
        return [
            Line(now, "reading", key, text)
            for key in self.values
            if (text := self.readings(key, now))
        ]

    def _is_new(self, resource: Json) -> bool:
        key = f"{resource['resourceType']}/{resource['id']}"
        version = str(resource.get("meta", {}).get("versionId", ""))
        if self._versions.get(key) == version:
            return False
        self._versions[key] = version
        return True

    def absorb_flag(self, flag: Json, evidence: str, now: datetime) -> list[Line]:
        """Take in an alert of record; `evidence` describes the reading behind it."""
        key = self.home_key(flag)
        if key is None or not self._is_new(flag):
            return []
        coding = extension(flag, FLAG_PRIORITY).get("valueCodeableConcept", {}).get("coding", [{}])
        priority = str(coding[0].get("code", "?"))
        active = flag.get("status") == "active"
        start = moment(flag.get("period", {}).get("start"), now)
        rule = str(extension(flag, RULE_VERSION).get("valueString", ""))
        known = self.alerts.get(flag["id"])
        text = _text(flag.get("code", {}))
        alert = Alert(flag["id"], key, priority, text, rule, active, start, evidence)
        # People are told about an incident once, so all its alerts share who was told.
        incident = str(extension(flag, INCIDENT).get("valueString", flag["id"]))
        alert.told = self._told_of_incident.setdefault(incident, [])
        self.alerts[flag["id"]] = alert
        changed = moment(flag.get("meta", {}).get("lastUpdated"), now)
        if known is None or (active and known.priority != priority):
            word = "ALERT" if known is None else "RAISED TO"
            because = evidence or self.readings(key, now) or "no reading"
            by = f"rule {rule}" if rule else _noticed_by(flag)
            line = Line(changed, "alert", key, f"{word} {priority}: {text} - {because} - {by}")
        elif known.active and not active:
            line = Line(changed, "end", key, f"alert closed: {text}")
        else:
            return []
        return self.add(line)

    def absorb_task(self, task: Json, now: datetime) -> list[Line]:
        """Take in the work of one person; the parent task of an incident tells nothing."""
        key = self.home_key(task)
        if key is None or not self._is_new(task):
            return []
        before = self._tasks.get(task["id"], {}).get("status")
        self._tasks[task["id"]] = task
        owner = task.get("owner", {}).get("reference", "")
        if not task.get("partOf") or task.get("status") == before:
            return []
        words = _TASK_WORDS.get(task.get("status", ""), task.get("status", ""))
        changed = moment(task.get("meta", {}).get("lastUpdated"), now)
        return self.add(Line(changed, "answer", key, f"{self.name(owner)} {words}"))

    def absorb_communication(self, communication: Json, now: datetime) -> list[Line]:
        """Take in one message to one person: prepared, handed over, arrived or not done."""
        key = self.home_key(communication)
        if key is None or not self._is_new(communication):
            return []
        if communication.get("sender", {}).get("reference") in self._names:
            return []
        status = str(communication.get("status", ""))
        if status == "preparation":
            return []
        recipients = communication.get("recipient", [])
        who = ", ".join(self.name(one.get("reference", "")) for one in recipients)
        channel = ", ".join(_text(medium) for medium in communication.get("medium", []))
        sent = moment(communication.get("sent"), now)
        reason = _text(communication.get("statusReason", {}))
        alert = self._alert_of(communication)
        told = self._told.get(communication["id"])
        first = told is None
        if told is None:
            told = Told(who, channel or "message", sent, "")
            self._told[communication["id"]] = told
            if alert is not None:
                alert.told.append(told)
        told.status = _MESSAGE_WORDS.get(status, reason or status)
        if status == "not-done":
            because = f" ({reason})" if reason else ""
            return self.add(Line(sent, "told", key, f"{who} NOT told by {told.channel}{because}"))
        if not first:
            return []
        after = ""
        if alert is not None:
            after = f", {max(0.0, (sent - alert.start).total_seconds()):.1f} s after the onset"
        return self.add(Line(sent, "told", key, f"{who} told by {told.channel}{after}"))

    def _alert_of(self, communication: Json) -> Alert | None:
        for about in communication.get("about", []):
            reference = str(about.get("reference", ""))
            if reference.startswith("Flag/"):
                return self.alerts.get(reference.removeprefix("Flag/"))
        for parent in communication.get("partOf", []):
            task = self._tasks.get(str(parent.get("reference", "")).removeprefix("Task/"), {})
            focus = str(task.get("focus", {}).get("reference", ""))
            if focus.startswith("Flag/"):
                return self.alerts.get(focus.removeprefix("Flag/"))
        return None

    def absorb_phone_event(self, event: Json, now: datetime) -> list[Line]:
        """Take in one event of the phone company."""
        at = moment(event.get("at"), now)
        number = str(event.get("to") or event.get("sender") or "")
        who = self._phones.get(number, number)
        home = self._home_of_phone.get(number)
        body = event.get("body", "")
        texts: Mapping[str, str] = {
            "message": f'text to {who}: "{body}"',
            "undelivered": f"text to {who} could not be delivered",
            "reply": f'{who} answers: "{body}"',
            "call": f"the phone of {who} rings",
            "answered": f"{who} picks up",
            "said": f'{who} hears: "{body}"',
            "digits": f"{who} presses {event.get('digits', '')}",
        }
        text = texts.get(str(event.get("kind")))
        return [] if text is None else self.add(Line(at, "phone", home, text))
