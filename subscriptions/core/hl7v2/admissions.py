"""ADT: where somebody is, and who they are.

What an Encounter has become decides the event: A01 admitted, A04 registered (not as an inpatient), A03 discharged, A11
cancelled, A05 expected, A08 anything else. A Patient is told by A28 when the record is new, by A31 afterwards.

Spec: HL7 v2.6, chapter 3; https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-pv1-to-encounter.html, the other way
round.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from fhirserver.kernel.canonical import TOPIC_ADMISSION
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.building import Components, components, repeated, segment, text_of
from subscriptions.core.hl7v2 import header, person
from subscriptions.core.hl7v2.asked import Asked
from subscriptions.core.hl7v2.header import Outgoing
from subscriptions.core.hl7v2.measures import Fields, is_test
from subscriptions.core.hl7v2.moments import dtm
from subscriptions.core.hl7v2.told import Told, ToldEvent, control_id_of

_STRUCTURES: Final = {
    "A01": "ADT_A01",
    "A03": "ADT_A03",
    "A04": "ADT_A01",
    "A05": "ADT_A05",
    "A08": "ADT_A01",
    "A11": "ADT_A09",
    "A28": "ADT_A05",
    "A31": "ADT_A05",
}
_INPATIENT: Final = ("IMP", "ACUTE", "NONAC", "SS")
# Table 0004 by v3-ActCode.
_CLASSES: Final = {
    **dict.fromkeys(_INPATIENT, "I"),
    "AMB": "O",
    "HH": "O",
    "VR": "O",
    "FLD": "O",
    "EMER": "E",
    "PRENC": "P",
    "OBSENC": "B",
}
_OVER: Final = ("cancelled", "entered-in-error")
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PARTS: Final = {"ATND": 7, "REF": 8, "CON": 9, "ADM": 17}
_CX_VISIT: Final = "VN"


def admissions(told: Told, asked: Asked, subscription: str, sent: datetime) -> Iterator[Outgoing]:
    """Yield the messages about the Encounters and Patients of `told`, in the order of its events."""
    for event in told.events:
        kind = event.resource["resourceType"]
        if kind == "Encounter":
            trigger, patient = _trigger(event, told.topic), told.find(event.resource.get("subject"))
            visit = _pv1(event.resource, told)
        elif kind == "Patient":
            trigger, patient = "A28" if event.action == "create" else "A31", event.resource
            visit = segment("PV1", {2: "N"})
        else:
            continue
        if patient is None or patient["resourceType"] != "Patient":
            continue
        control_id = control_id_of(subscription, event, event)
        head = header.header(
            asked,
            ("ADT", trigger, _STRUCTURES[trigger]),
            control_id,
            sent,
            answers="original",
            test=is_test(event.resource),
        )
        occurred = segment("EVN", {2: dtm(event.at)})
        yield Outgoing(
            control_id, text_of([head, occurred, person.pid(patient, whole=True), visit])
        )


def _trigger(event: ToldEvent, topic: str) -> str:
    encounter = event.resource
    status = encounter.get("status")
    if status in _OVER:
        return "A11"
    if status == "finished":
        return "A03"
    if status == "planned":
        return "A05"
    # The topic of admissions tells of a stay in progress when it comes to be so, and only then.
    begins = event.action == "create" or topic.partition("|")[0] == TOPIC_ADMISSION
    if status != "in-progress" or not begins:
        return "A08"
    return "A01" if encounter.get("class", {}).get("code") in _INPATIENT else "A04"


def _pv1(encounter: Json, told: Told) -> str:
    period, stay = encounter.get("period", {}), encounter.get("hospitalization", {})
    fields: Fields = {
        1: "1",
        2: _CLASSES.get(encounter.get("class", {}).get("code", ""), "U"),
        3: _location(encounter, told),
        14: _code(stay.get("admitSource")),
        19: _number(encounter),
        36: _code(stay.get("dischargeDisposition")),
        44: dtm(period.get("start")),
        45: dtm(period.get("end")),
    }
    people: dict[int, list[Components]] = {}
    for one in encounter.get("participant", ()):
        for code in _codes(one.get("type", ()), _PARTICIPATION):
            if code in _PARTS and (name := _name(one.get("individual", {}))) is not None:
                people.setdefault(_PARTS[code], []).append(name)
    fields |= {number: repeated(*several) for number, several in people.items()}
    return segment("PV1", fields)


def _number(encounter: Json) -> Components:
    """Return the number of the visit: its first identifier in use, else its id here."""
    known = [one for one in encounter.get("identifier", ()) if one.get("value")]
    current = next((one for one in known if one.get("use") != "old"), None)
    if current is not None:
        return person.cx(current)
    return components(encounter.get("id"), None, None, person.authority(person.OWN_ID), _CX_VISIT)


def _location(encounter: Json, told: Told) -> Components | None:
    """Return where somebody is: the place that is not over, by its name."""
    places = [one for one in encounter.get("location", ()) if "end" not in one.get("period", {})]
    for one in reversed(places):
        reference = one.get("location", {})
        name = (told.find(reference) or {}).get("name") or reference.get("display")
        if name:
            return components(*(None,) * 8, name)
    return None


def _name(individual: Mapping[str, Any]) -> Components | None:
    number, name = individual.get("identifier", {}).get("value"), individual.get("display")
    return components(number, name) if number or name else None


def _code(concept: Any) -> str | None:
    codings = concept.get("coding", ()) if isinstance(concept, Mapping) else ()
    return next((one.get("code") for one in codings), None)


def _codes(concepts: Any, system: str) -> Iterator[str]:
    for concept in concepts:
        for coding in concept.get("coding", ()):
            if coding.get("system") == system and "code" in coding:
                yield coding["code"]
