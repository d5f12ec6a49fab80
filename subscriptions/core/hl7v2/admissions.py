"""ADT: where somebody is, and who they are.

What an Encounter has become decides the event: A01 admitted, A04 registered (not as an inpatient), A03 discharged, A11
cancelled, A05 expected, A08 anything else. Beside what it was before: A02 where the place has changed, A13 where a
discharge is taken back. A Patient is told by A28 when the record is new, by A40 when it ends in another, by A31 otherwise.

Spec: HL7 v2.6, chapter 3; https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-pv1-to-encounter.html, the other way
round.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fhirserver.kernel.canonical import TOPIC_ADMISSION
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.building import Components, components, repeated, segment, text_of
from subscriptions.core.hl7v2 import header, person
from subscriptions.core.hl7v2.asked import Asked
from subscriptions.core.hl7v2.enclosed import Enclosed
from subscriptions.core.hl7v2.header import Outgoing
from subscriptions.core.hl7v2.measures import Fields, is_test
from subscriptions.core.hl7v2.moments import dtm
from subscriptions.core.hl7v2.told import Told, ToldEvent, control_id_of

_STRUCTURES: Final = {
    "A01": "ADT_A01",
    "A02": "ADT_A02",
    "A03": "ADT_A03",
    "A04": "ADT_A01",
    "A05": "ADT_A05",
    "A08": "ADT_A01",
    "A11": "ADT_A09",
    "A13": "ADT_A01",
    "A28": "ADT_A05",
    "A31": "ADT_A05",
    "A40": "ADT_A39",
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
_PRESENT: Final = ("arrived", "triaged", "in-progress", "onleave")
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PARTS: Final = {"ATND": 7, "REF": 8, "CON": 9, "ADM": 17}
_CX_VISIT: Final = "VN"


@dataclass(frozen=True, slots=True)
class _Message:
    """What an event becomes: its trigger, whom it is about, and the segments behind the PID."""

    trigger: str
    patient: Json | None
    segments: tuple[str, ...]


def admissions(
    told: Told, asked: Asked, subscription: str, sent: datetime, enclosed: Enclosed
) -> Iterator[Outgoing]:
    """Yield the messages about the Encounters and Patients of `told`, in the order of its events."""
    for event in told.events:
        made = _message(event, told, enclosed.before.get(event.number))
        if made is None or made.patient is None or made.patient["resourceType"] != "Patient":
            continue
        control_id = control_id_of(subscription, event, event)
        head = header.header(
            asked,
            ("ADT", made.trigger, _STRUCTURES[made.trigger]),
            control_id,
            sent,
            answers="original",
            test=is_test(event.resource),
        )
        occurred = segment("EVN", {2: dtm(event.at)})
        about = person.pid(made.patient, whole=True)
        yield Outgoing(control_id, text_of([head, occurred, about, *made.segments]))


def _message(event: ToldEvent, told: Told, before: Json | None) -> _Message | None:
    resource = event.resource
    if resource["resourceType"] == "Encounter":
        known = before if before is not None and _is_of_the_same(resource, before) else None
        trigger = _trigger(event, told.topic, known, told)
        left = known if trigger == "A02" else None
        visit = _pv1(resource, told, left)
        return _Message(trigger, told.find(resource.get("subject")), (visit,))
    if resource["resourceType"] != "Patient":
        return None
    survivor = _ends_in(resource, before)
    heir = None if survivor is None else told.find(survivor)
    if heir is not None:
        return _Message("A40", heir, (segment("MRG", person.merged(resource)),))
    trigger = "A28" if event.action == "create" else "A31"
    return _Message(trigger, resource, (segment("PV1", {2: "N"}),))


def _ends_in(patient: Json, before: Json | None) -> Json | None:
    """Return a reference to the record that `patient` ends in, if it did not do so before."""
    if before is None or _heir(before) is not None:
        return None
    return _heir(patient)


def _heir(patient: Json) -> Json | None:
    links = patient.get("link", ())
    return next((one.get("other") for one in links if one.get("type") == "replaced-by"), None)


def _is_of_the_same(encounter: Json, before: Json) -> bool:
    return bool(encounter.get("subject") == before.get("subject"))


def _trigger(event: ToldEvent, topic: str, before: Json | None, told: Told) -> str:
    encounter = event.resource
    status = encounter.get("status")
    if status in _OVER:
        return "A11"
    if status == "finished":
        return "A03"
    if status == "planned":
        return "A05"
    if before is not None and status in _PRESENT:
        if before.get("status") == "finished":
            return "A13"
        if before.get("status") in _PRESENT and _has_moved(encounter, before, told):
            return "A02"
        if before.get("status") in _PRESENT and _is_inpatient(before) == _is_inpatient(encounter):
            return "A08"
    # The topic of admissions tells of a stay in progress when it comes to be so, and only then.
    begins = event.action == "create" or topic.partition("|")[0] == TOPIC_ADMISSION
    if status != "in-progress" or not begins:
        return "A08"
    return "A01" if _is_inpatient(encounter) else "A04"


def _is_inpatient(encounter: Json) -> bool:
    return encounter.get("class", {}).get("code") in _INPATIENT


def _has_moved(encounter: Json, before: Json, told: Told) -> bool:
    now, then = _place(encounter), _place(before)
    if "reference" in now and "reference" in then:
        return bool(now["reference"] != then["reference"])
    return bool(now and then) and _location(encounter, told) != _location(before, told)


def _pv1(encounter: Json, told: Told, before: Json | None = None) -> str:
    period, stay = encounter.get("period", {}), encounter.get("hospitalization", {})
    fields: Fields = {
        1: "1",
        2: _CLASSES.get(encounter.get("class", {}).get("code", ""), "U"),
        3: _location(encounter, told),
        6: None if before is None else _location(before, told),
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
    """Return where somebody is: the place that is not over, by its name, else by its id here."""
    reference = _place(encounter)
    name = (told.find(reference) or {}).get("name") or reference.get("display")
    text = name or str(reference.get("reference", "")).rpartition("/")[2]
    return components(*(None,) * 8, text) if text else None


def _place(encounter: Json) -> Json:
    """Return the reference to where somebody is, an empty one where nothing says that."""
    places = [
        one.get("location", {})
        for one in encounter.get("location", ())
        if "end" not in one.get("period", {}) and one.get("status", "active") == "active"
    ]
    return next((one for one in reversed(places) if one), {})


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
