"""ORU^R01: what was observed. Of a device as IHE PCD-01 has it; anything else as a plain result.

Measures of one patient and device at one moment are one message: a machine that says twenty values at once is told by
one message, not by twenty.

Spec: IHE Devices TF-2, PCD-01; "Dialysis Machine HL7 Implementation Guidelines" Rev 4.0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fhirserver.kernel.canonical import THERAPY_IDENTIFIER
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.building import Components, components, segment, text_of
from fhirserver.wire.hl7v2.nomenclature import CHANNELS
from subscriptions.core.hl7v2 import header, person
from subscriptions.core.hl7v2.asked import Asked
from subscriptions.core.hl7v2.header import Outgoing
from subscriptions.core.hl7v2.machine import Machine, Origin, container, origin_of
from subscriptions.core.hl7v2.measures import Fields, code_of, is_of_11073, is_test, measures
from subscriptions.core.hl7v2.told import Told, ToldEvent, control_id_of

_KIND: Final = ("ORU", "R01", "ORU_R01")
_MOST_EVENTS: Final = 100


@dataclass(slots=True)
class _Report:
    """Events that one message tells."""

    key: tuple[Any, ...]
    events: list[ToldEvent]


def results(told: Told, asked: Asked, subscription: str, sent: datetime) -> Iterator[Outgoing]:
    """Yield the messages about the Observations of `told`, in the order of its events."""
    for report in _reports(told):
        first, last = report.events[0], report.events[-1]
        lines = list(_lines(report.events, told))
        if lines:
            control_id = control_id_of(subscription, first, last)
            yield Outgoing(
                control_id, _message(report.events, lines, told, asked, control_id, sent)
            )


def _reports(told: Told) -> Iterator[_Report]:
    current: _Report | None = None
    for event in told.events:
        if event.resource["resourceType"] != "Observation":
            continue
        key = _key(event.resource, origin_of(event.resource, told))
        if current is not None and (key != current.key or len(current.events) >= _MOST_EVENTS):
            yield current
            current = None
        if current is None:
            current = _Report(key, [])
        current.events.append(event)
    if current is not None:
        yield current


def _key(observation: Json, origin: Origin) -> tuple[Any, ...]:
    subject = observation.get("subject", {}).get("reference")
    moment = observation.get("effectiveDateTime") or observation.get("effectiveInstant")
    if origin.machine is None:
        return (subject, observation.get("id"))
    therapies = tuple(one.get("reference") for one in observation.get("partOf", ()))
    return (subject, origin.machine.name, moment, therapies, is_of_11073(observation))


def _lines(events: Sequence[ToldEvent], told: Told) -> Iterator[tuple[Origin, Fields]]:
    for event in events:
        origin = origin_of(event.resource, told)
        for fields in measures(event.resource, origin):
            yield origin, fields


def _message(
    events: Sequence[ToldEvent],
    lines: Sequence[tuple[Origin, Fields]],
    told: Told,
    asked: Asked,
    control_id: str,
    sent: datetime,
) -> str:
    observation = events[0].resource
    machine = lines[0][0].machine
    is_pcd = machine is not None and is_of_11073(observation)
    patient = told.find(observation.get("subject"))
    test = all(is_test(event.resource) for event in events)
    segments = [
        header.header(
            asked,
            _KIND,
            control_id,
            sent,
            answers="accept" if is_pcd else "original",
            profile=header.PCD_01 if is_pcd else (),
            test=test,
        )
    ]
    if patient is not None:
        segments.append(
            person.pid(patient, machine=None if machine is None else machine.model_and_serial)
        )
        segments.append(segment("PV1", {2: "U"}))
    moment = lines[0][1][14]
    order: Fields = {
        1: "1",
        3: _order(observation, machine, told, control_id),
        4: _what(observation, machine if is_pcd else None),
        7: moment,
        25: "F",
    }
    segments.append(segment("OBR", order))
    segments += numbered(contained(machine, lines) if is_pcd else [fields for _, fields in lines])
    return text_of(segments)


def numbered(lines: Sequence[Fields]) -> list[str]:
    """Return lines as segments, counted in OBX-1."""
    return [segment("OBX", {**fields, 1: str(place)}) for place, fields in enumerate(lines, 1)]


def contained(machine: Machine | None, lines: Sequence[tuple[Origin, Fields]]) -> list[Fields]:
    """Return the lines of a machine with their places in it (OBX-4), and a line for each device, module and channel.

    Places are those of this message: the machine is 1, its module 1, channels by their order, measures as they come.
    """
    made: list[Fields] = []
    if machine is not None and machine.type is not None:
        made.append({3: container(machine.type), 4: "1.0.0.0", 11: "X", 18: machine.identity})
    below: dict[str, list[Fields]] = {}
    outside: list[Fields] = []
    modules: dict[str, str] = {}
    for origin, fields in lines:
        if origin.channel is None or origin.module is None:
            outside.append(fields)
        else:
            below.setdefault(origin.channel, []).append(fields)
            modules[origin.channel] = origin.module
    made += [{**fields, 4: f"1.0.0.{place}"} for place, fields in enumerate(outside, 1)]
    order = list(CHANNELS)
    told_modules: set[str] = set()
    for channel in sorted(below, key=order.index):
        module = modules[channel]
        if module not in told_modules:
            made.append({3: container(module), 4: "1.1.0.0", 11: "X"})
            told_modules.add(module)
        number = order.index(channel) + 1
        made.append({3: container(channel), 4: f"1.1.{number}.0", 11: "X"})
        made += [
            {**fields, 4: f"1.1.{number}.{place}"} for place, fields in enumerate(below[channel], 1)
        ]
    return made


def _order(observation: Json, machine: Machine | None, told: Told, control_id: str) -> Components:
    """Return OBR-3: the machine's own name of the treatment, else what names this message."""
    therapy = None
    for reference in observation.get("partOf", ()):
        procedure = told.find(reference) or {}
        for identifier in procedure.get("identifier", ()):
            if identifier.get("system") == THERAPY_IDENTIFIER:
                therapy = identifier.get("value")
    eui64 = None if machine is None else machine.eui64
    if eui64 is None:
        return components(therapy or control_id, header.APPLICATION)
    return components(therapy or control_id, header.APPLICATION, eui64, "EUI-64")


def _what(observation: Json, machine: Machine | None) -> Components:
    """Return OBR-4: the kind of machine, else what was observed."""
    if machine is not None and machine.type is not None:
        return container(machine.type)
    return code_of(observation.get("code", {}))
