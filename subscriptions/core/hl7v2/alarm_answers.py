"""ORA^R41 sent later: what became here of an alarm that somebody else told us of by ORU^R40.

MSA-2 names the message that told of the alarm last. Who answered stands in PRT-5 by an id of ours, never by name: whoever
sent an alarm is a machine or its gateway. 68483 says that somebody has seen to it, a code of ours how far they have got.

Spec: IHE Devices TF-2, PCD-04 and PCD-05; HL7 v2.6, 2.9.3 (deferred application acknowledgement).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.building import Components, components, segment, text_of
from fhirserver.wire.hl7v2.nomenclature import ACTIVITY, FACETS
from subscriptions.core.flag import Answered
from subscriptions.core.hl7v2 import header, person
from subscriptions.core.hl7v2.asked import Asked
from subscriptions.core.hl7v2.enclosed import Enclosed, Source
from subscriptions.core.hl7v2.header import Outgoing
from subscriptions.core.hl7v2.measures import is_test
from subscriptions.core.hl7v2.moments import dtm
from subscriptions.core.hl7v2.told import Told, control_id_of

_KIND: Final = ("ORA", "R41", "ORA_R41")
_ANSWER: Final = components("alert-answer", "how far people have got", "99FHIRSERVER")
_ROLE: Final = components("AAP", "Alert Acknowledging Provider", "HL70912")
_ACTION: Final = "UC"


def alarm_answers(
    told: Told, asked: Asked, subscription: str, sent: datetime, enclosed: Enclosed
) -> Iterator[Outgoing]:
    """Yield what is said of alarms of `asked.sender` that somebody has answered, in the order of the events."""
    for event in told.events:
        flag = event.resource
        answered = Answered.of(flag) if flag["resourceType"] == "Flag" else None
        source = enclosed.sources.get(flag["id"])
        if answered is None or source is None or source.sender != asked.sender:
            continue
        control_id = control_id_of(subscription, event, event)
        yield Outgoing(control_id, _message(flag, answered, source, asked, control_id, sent))


def _message(
    flag: Json,
    answered: Answered,
    source: Source,
    asked: Asked,
    control_id: str,
    sent: datetime,
) -> str:
    places = {5: source.application, 6: source.facility}
    addressed = {number: text for number, text in places.items() if text} | dict(asked.places)
    at = dtm(answered.at)
    return text_of(
        [
            header.header(
                Asked(asked.kind, addressed),
                _KIND,
                control_id,
                sent,
                answers="accept",
                test=is_test(flag),
            ),
            segment("MSA", {1: "AA", 2: source.control_id}),
            segment("PRT", {1: "1", 2: _ACTION, 4: _ROLE, 5: _who(answered.who), 11: at}),
            segment("OBR", {1: "1", 3: components(*source.filler.split("^")), 4: _what(flag)}),
            segment(
                "OBX",
                {
                    1: "1",
                    2: "ST",
                    3: components(ACTIVITY, FACETS[ACTIVITY], "MDC"),
                    4: "1.0.0.0.5",
                    5: "alert-acknowledged",
                    11: "F",
                    14: at,
                },
            ),
            segment("OBX", {1: "2", 2: "ST", 3: _ANSWER, 5: answered.code, 11: "F", 14: at}),
        ]
    )


def _who(name: str) -> Components:
    """Return PRT-5: the id here of who answered, or that it was the server itself."""
    id_ = name.rpartition("/")[2] if "/" in name and " " not in name else header.APPLICATION
    return components(id_, *(None,) * 7, person.authority(person.OWN_ID))


def _what(flag: Json) -> Components:
    codings = flag.get("code", {}).get("coding", ())
    return components(*((codings[0].get("code"), None, "MDC") if codings else ()))
