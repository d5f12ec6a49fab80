"""ORU^R40 of IHE PCD-04: alerts, one in a message, by their facets.

The first is what kind of alarm it is, with its priority; the second its source, with what was measured and the limits of the
machine; then phase, state and activity. What an alert does not know is left out. An alarm that goes on is said so again
and again: whoever hears nothing of it for a while may take it that nobody watches any more.

Spec: IHE Devices TF-2, PCD-04 Report Alert; "Dialysis Machine HL7 Implementation Guidelines" Rev 4.0, chapter 7.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from fhirserver.kernel.canonical import (
    ALERT_CODES,
    ALERT_DEVICE,
    ALERT_IDENTIFIER,
    ALERT_SOURCE,
    ALERT_TYPE,
    CONDITION_PRESENCE,
    FLAG_DETAIL,
    FLAG_PRIORITY,
    MDC,
)
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.building import Components, components, repeated, segment, text_of
from fhirserver.wire.hl7v2.nomenclature import (
    ACTIVITY,
    ALARM,
    EVENTS,
    FACETS,
    HIGH,
    LOW,
    PHASE,
    STATE,
)
from subscriptions.core.hl7v2 import header, person
from subscriptions.core.hl7v2.asked import Asked
from subscriptions.core.hl7v2.header import Outgoing
from subscriptions.core.hl7v2.machine import Machine, machine_of, mdc_of, origin_of
from subscriptions.core.hl7v2.measures import Fields, code_of, is_test, measures
from subscriptions.core.hl7v2.moments import dtm
from subscriptions.core.hl7v2.results import numbered
from subscriptions.core.hl7v2.told import Told, ToldEvent, control_id_of

_KIND: Final = ("ORU", "R40", "ORU_R40")
_BOUNDS: Final = {LOW: "L", HIGH: "H"}
_OWN: Final = "99FHIRSERVER"
_TYPES: Final = {"physiological": "SP", "technical": "ST", "advisory": "SA"}
_URGENCY: Final = ("PH", "PM")


def alarms(told: Told, asked: Asked, subscription: str, sent: datetime) -> Iterator[Outgoing]:
    """Yield the messages about the alerts of `told`, in the order of its events."""
    for event in told.events:
        flag = event.resource
        alert = _alert_id(flag)
        if alert is None:
            continue
        control_id = control_id_of(subscription, event, event)
        yield Outgoing(control_id, _message(event, alert, told, asked, control_id, sent))


def keep_alives(told: Told, asked: Asked, subscription: str, sent: datetime) -> list[Outgoing]:
    """Return a message about each alert of `told` that goes on, the most urgent first; it says that it does.

    `told`: the event that told of each last, with its Flag as it stands now.
    """
    going_on = [(event, _alert_id(event.resource)) for event in told.events]
    open_ = [(event, alert) for event, alert in going_on if alert and not _is_over(event.resource)]
    open_.sort(key=lambda one: _rank(one[0].resource))
    made = []
    for event, alert in open_:
        again = replace(event, action="update")
        control_id = control_id_of(subscription, event, event, sent)
        made.append(Outgoing(control_id, _message(again, alert, told, asked, control_id, sent)))
    return made


def _rank(flag: Json) -> int:
    priority = _priority(flag)
    return _URGENCY.index(priority) if priority in _URGENCY else len(_URGENCY)


def _message(
    event: ToldEvent, alert: str, told: Told, asked: Asked, control_id: str, sent: datetime
) -> str:
    flag = event.resource
    evidence = _evidence(flag, told)
    machine = _machine(flag, evidence, told)
    patient = told.find(flag.get("subject"))
    segments = [
        header.header(
            asked,
            _KIND,
            control_id,
            sent,
            answers="both",
            profile=header.PCD_04,
            test=is_test(flag),
        )
    ]
    if patient is not None and patient["resourceType"] == "Patient":
        model = None if machine is None else machine.model_and_serial
        segments.append(person.pid(patient, machine=model))
        segments.append(segment("PV1", {2: "U"}))
    order: Fields = {
        1: "1",
        3: _order(alert, machine),
        4: components(ALARM, EVENTS[ALARM], "MDC"),
        7: dtm(flag.get("period", {}).get("start")),
    }
    segments.append(segment("OBR", order))
    segments += numbered(list(_facets(event, evidence, machine, told)))
    return text_of(segments)


def _facets(
    event: ToldEvent, evidence: Json | None, machine: Machine | None, told: Told
) -> Iterator[Fields]:
    flag = event.resource
    identity = None if machine is None else machine.identity
    yield {**_kind(flag, evidence), 4: "1.0.0.0.1", 11: "F", 18: identity}
    if evidence is not None:
        for place, line in enumerate(measures(evidence, origin_of(evidence, told)), 1):
            yield {**line, 4: f"1.0.0.{place}.2"}
    phase, state = _course(event)
    facets = (PHASE, phase), (STATE, state), (ACTIVITY, "enabled")
    for place, (code, value) in enumerate(facets, 3):
        yield {
            2: "ST",
            3: components(code, FACETS[code], "MDC"),
            4: f"1.0.0.0.{place}",
            5: value,
            11: "F",
        }


def _kind(flag: Json, evidence: Json | None) -> Fields:
    """Return the first facet: a bound and what is beyond it, or an alarm and which."""
    coding: Mapping[str, Any] = next(iter(flag.get("code", {}).get("coding", ())), {})
    code, text = str(coding.get("code", "")), flag.get("code", {}).get("text")
    type_ = _TYPES.get(str(_extension(flag, ALERT_TYPE).get("valueCode", "")))
    stated = (_priority(flag), type_, _BOUNDS.get(code))
    priority = repeated(*(one for one in stated if one is not None))
    if coding.get("system") == MDC and code in _BOUNDS:
        source = _source(flag, evidence)
        kind = None if source is None else "CWE"
        return {2: kind, 3: components(code, EVENTS[code], "MDC"), 5: source, 8: priority}
    alarm = components(ALARM, EVENTS[ALARM], "MDC")
    if coding.get("system") == MDC:
        return {2: "CWE", 3: alarm, 5: components(code, EVENTS.get(code, text), "MDC"), 8: priority}
    # A code of ours says what only a server can notice; it must never pass for one of a machine.
    own = _OWN if coding.get("system") == ALERT_CODES else "99FHIR"
    return {2: "CWE", 3: alarm, 5: components(code, text, own), 8: priority}


def _source(flag: Json, evidence: Json | None) -> Components | None:
    """Return the measure that is out of bounds: as the machine named it, else the one the alert rests on."""
    said = mdc_of(_extension(flag, ALERT_SOURCE).get("valueCodeableConcept"))
    if said is not None:
        return components(said, None, "MDC")
    return None if evidence is None else code_of(evidence.get("code", {}))


def _course(event: ToldEvent) -> tuple[str, str]:
    """Return phase and state: what goes on though its condition is over is latched, until a person ends it."""
    flag = event.resource
    if _is_over(flag):
        return "end", "inactive"
    phase = "start" if event.action == "create" else "continue"
    is_over = _extension(flag, CONDITION_PRESENCE).get("valueCode") == "absent"
    return phase, "latched" if is_over else "active"


def _is_over(flag: Json) -> bool:
    return flag.get("status") != "active" or "end" in flag.get("period", {})


def _priority(flag: Json) -> str | None:
    codings = _extension(flag, FLAG_PRIORITY).get("valueCodeableConcept", {}).get("coding", ())
    return next((one.get("code") for one in codings), None)


def _evidence(flag: Json, told: Told) -> Json | None:
    """Return the newest Observation an alert rests on."""
    details = [e for e in flag.get("extension", ()) if e.get("url") == FLAG_DETAIL]
    found = (told.find(one.get("valueReference")) for one in reversed(details))
    return next((one for one in found if one and one["resourceType"] == "Observation"), None)


def _machine(flag: Json, evidence: Json | None, told: Told) -> Machine | None:
    device = told.find(_extension(flag, ALERT_DEVICE).get("valueReference"))
    if device is not None:
        return machine_of(device)
    return None if evidence is None else origin_of(evidence, told).machine


def _order(alert: str, machine: Machine | None) -> Components:
    if machine is None or machine.eui64 is None:
        return components(alert, header.APPLICATION)
    return components(alert, header.APPLICATION, machine.eui64, "EUI-64")


def _alert_id(flag: Json) -> str | None:
    if flag["resourceType"] != "Flag":
        return None
    identifiers = flag.get("identifier", ())
    return next(
        (one["value"] for one in identifiers if one.get("system") == ALERT_IDENTIFIER), None
    )


def _extension(resource: Json, url: str) -> Mapping[str, Any]:
    return next((one for one in resource.get("extension", ()) if one.get("url") == url), {})
