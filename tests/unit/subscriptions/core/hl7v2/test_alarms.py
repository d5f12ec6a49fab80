"""ORU^R40: alerts leave as IHE PCD-04 has them, and our own reader of machines understands them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hl7apy.parser import parse_message

from adapters.hl7v2 import sites
from adapters.hl7v2.routing import interpret
from adapters.mqtt.messages import Event
from fhirserver.kernel import canonical
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.message import Message, read
from subscriptions.core.alert import Alert
from subscriptions.core.flag import flag_of
from subscriptions.core.hl7v2.asked import Asked
from subscriptions.core.hl7v2.control_id import read_control_id
from subscriptions.core.hl7v2.enclosed import Enclosed
from subscriptions.core.hl7v2.messages import going_on, messages
from tests.unit.subscriptions.core.hl7v2.notifications import CONTEXT, EUI, NOW, bundle, measured

ASKED = Asked("ORU^R40", {})
SITES = sites.load(unknown="accept")
ONSET = datetime(2026, 8, 1, 9, 30, tzinfo=UTC)
ALERT = Alert(
    id=UUID(int=1), tenant=1, patient="ann", device="m1", system=canonical.MDC, code="198260",
    display="venous access may be disconnected", kind="technical", family="blood-loss", priority="PH",
    condition="present", response="none", signal="on", incident=UUID(int=2), onset=ONSET, raised=ONSET,
    updated=ONSET, ended=None, closed=None, delayed=False, pages=True, generation=1, rule=None, rule_version=None,
    flag=None, simulated=False, key="event:m1:198260:",
)  # fmt: skip
PRESSURE = measured("158776", Decimal("15.0"), "o1")


def sent(
    alert: Alert, *, evidence: Json | None = None, action: str = "create", context: Any = CONTEXT
) -> Message:
    references = () if evidence is None else (f"Observation/{evidence['id']}",)
    flag = {**flag_of(alert, subject="Patient/ann", evidence=references), "id": "f1"}
    around = context if evidence is None else [*context, evidence]
    told = bundle([flag], topic=canonical.TOPIC_DEVICE_ALERT, context=around, action=action)
    (made,) = messages(told, ASKED, "s1", NOW)
    parse_message(made.text, find_groups=False)
    return read(made.text)


def as_machine(message: Message) -> Event:
    """Return what our own reader of alarms makes of a message that was sent."""
    sender = SITES.sender_of(message.header, sites.Peer("10.1.2.3"))
    assert sender is not None
    found = interpret(message, sender, SITES.plans)
    assert found.refusal is None
    (report,) = found.devices
    assert report.address == EUI
    (event,) = report.events
    return event


def test_an_alarm_of_a_machine_comes_back() -> None:
    event = as_machine(sent(ALERT))
    assert (event.event, event.source, event.priority) == ("198260", None, "PH")
    assert (event.phase, event.state, event.activity) == ("start", "active", "enabled")


def test_a_bound_is_told_with_its_source_value_and_limits() -> None:
    low = replace(ALERT, code="196670", display="venous pressure low", key="event:m1:196670:158776")
    message = sent(low, evidence=PRESSURE)
    event = as_machine(message)
    assert (event.event, event.source) == ("196670", "158776")
    assert (str(event.value), event.unit) == ("15.0", "mm[Hg]")
    kind, source, *_ = message.all("OBX")
    assert kind.raw(8) == "PH~ST~L"
    assert source.raw(7) == "122-262"


def test_without_a_source_of_the_machine_it_is_what_the_alert_rests_on() -> None:
    low = replace(ALERT, code="196670", key="venous:low", rule="ServiceRequest/r", rule_version="x")
    assert as_machine(sent(low, evidence=PRESSURE)).source == "158776"
    bare = next(sent(low).all("OBX"))
    assert (bare.raw(2), bare.raw(5)) == ("", "")


@pytest.mark.parametrize(
    ("changes", "action", "phase", "state"),
    [
        ({}, "create", "start", "active"),
        ({}, "update", "continue", "active"),
        ({"condition": "absent"}, "update", "continue", "latched"),
        ({"condition": "absent", "closed": NOW}, "update", "end", "inactive"),
    ],
)
def test_phases(changes: Json, action: str, phase: str, state: str) -> None:
    event = as_machine(sent(replace(ALERT, **changes), action=action))
    assert (event.phase, event.state) == (phase, state)


def test_a_suspicion_of_ours_never_passes_for_an_alarm_of_the_machine() -> None:
    ours = replace(
        ALERT, system=canonical.ALERT_CODES, code="suspected-needle-dislodgement", key="n"
    )
    message = sent(ours)
    assert next(message.all("OBX")).raw(5).startswith("suspected-needle-dislodgement^")
    assert as_machine(message).event == "196616"


def test_the_header_and_the_order() -> None:
    message = sent(replace(ALERT, simulated=True))
    header, order = message.header, message.first("OBR")
    assert header.raw(9) == "ORU^R40^ORU_R40"
    assert header.raw(21) == "IHE_PCD_004^IHEPCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO"
    assert (header.raw(11), header.raw(15), header.raw(16)) == ("T", "AL", "AL")
    assert order is not None
    assert order.raw(3) == f"{UUID(int=1)}^FHIRSERVER^{EUI}^EUI-64"
    assert order.raw(7) == "20260801093000.000+0000"


def test_flags_that_are_no_alerts_are_not_told() -> None:
    flag = {"resourceType": "Flag", "id": "f", "status": "active", "code": {"text": "falls"}}
    told = bundle([flag], topic=canonical.TOPIC_DEVICE_ALERT)
    assert messages(told, ASKED, "s1", NOW) == ()


@pytest.mark.parametrize(
    ("kind", "code"), [("physiological", "SP"), ("technical", "ST"), ("advisory", "SA")]
)
def test_it_is_said_whether_it_is_about_the_body_or_the_machine(kind: Any, code: str) -> None:
    assert next(sent(replace(ALERT, kind=kind)).all("OBX")).raw(8) == f"PH~{code}"


def again(*alerts: Alert, at: datetime = NOW) -> list[Message]:
    flags = [
        {**flag_of(one, subject="Patient/ann", evidence=()), "id": f"f{number}"}
        for number, one in enumerate(alerts)
    ]
    told = bundle(flags, topic=canonical.TOPIC_DEVICE_ALERT)
    return [read(one.text) for one in going_on(Enclosed(going_on=told), ASKED, "s1", at)]


def test_what_goes_on_is_said_again_under_another_control_id() -> None:
    (first,) = messages(
        bundle(
            [{**flag_of(ALERT, subject="Patient/ann", evidence=()), "id": "f0"}],
            topic=canonical.TOPIC_DEVICE_ALERT,
        ),
        ASKED,
        "s1",
        NOW,
    )
    (one,), (other,) = again(ALERT), again(ALERT, at=NOW + timedelta(seconds=20))
    ids = [first.control_id, one.header.text(10) or "", other.header.text(10) or ""]
    assert len(set(ids)) == 3
    named = [read_control_id(text) for text in ids]
    assert {(n.subscription, n.first, n.last, n.at) for n in named if n} == {("s1", 7, 7, NOW)}
    event = as_machine(one)
    assert (event.event, event.phase, event.state) == ("198260", "continue", "active")


def test_what_is_over_is_not_said_again_and_the_most_urgent_comes_first() -> None:
    medium = replace(ALERT, priority="PM", code="198242")
    latched = replace(ALERT, condition="absent", code="198262")
    closed = replace(ALERT, closed=NOW, response="closed", code="198264")
    found = [as_machine(one) for one in again(medium, closed, latched)]
    assert [(one.event, one.state) for one in found] == [
        ("198262", "latched"),
        ("198242", "active"),
    ]


def test_where_nothing_goes_on_nothing_is_said() -> None:
    assert list(going_on(Enclosed(), ASKED, "s1", NOW)) == []
