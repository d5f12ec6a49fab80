"""ORA^R41 about an alarm of somebody else: read back by what reads such messages about alarms of ours."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import hl7
import pytest

from fhirserver.kernel import canonical
from fhirserver.wire.hl7v2.alarm_status import read_alarm_status
from fhirserver.wire.hl7v2.message import Message, read
from subscriptions.core.alert import Alert
from subscriptions.core.flag import Answered, flag_of
from subscriptions.core.hl7v2.asked import Asked, asked, header_faults
from subscriptions.core.hl7v2.enclosed import Enclosed, Source
from subscriptions.core.hl7v2.messages import messages
from tests.unit.subscriptions.core.hl7v2.notifications import NOW, bundle
from tests.unit.subscriptions.core.hl7v2.test_alarms import ALERT

ASKED = Asked("ORA^R41", {3: "HOME"}, sender="gateway")
SOURCE = Source("gateway", "g-17", "A-1^SIM_HD^0A1B^EUI-64", "SIM_HD^0A1B^EUI-64", "")
AT = datetime(2026, 8, 1, 9, 31, tzinfo=UTC)


def alert_as(response: Any) -> Alert:
    return replace(ALERT, response=response)


def told(
    response: Any = "accepted", who: str = "RelatedPerson/bob", source: Source = SOURCE
) -> list[Message]:
    alert = alert_as(response)
    flag = flag_of(
        alert, subject="Patient/ann", evidence=(), answered=Answered.by(alert, who, AT)
    ) | {"id": "f1"}
    made = messages(
        bundle([flag], topic=canonical.TOPIC_ALERT_ANSWER),
        ASKED,
        "s1",
        NOW,
        Enclosed(sources={"f1": source}),
    )
    for one in made:
        # PRT is of 2.7, which IHE brings into 2.6: hl7apy does not know it.
        assert str(hl7.parse(one.text).segment("PRT")[5][0][0]) != ""
    return [read(one.text) for one in made]


@pytest.mark.parametrize("response", ["acknowledged", "accepted", "at-patient", "closed"])
def test_whoever_sent_an_alarm_is_told_how_far_people_have_got(response: str) -> None:
    (message,) = told(response)
    assert (message.header.raw(9), message.header.raw(15), message.header.raw(16)) == (
        "ORA^R41^ORA_R41",
        "AL",
        "NE",
    )
    status = read_alarm_status(message)
    assert status is not None
    assert (status.control_id, status.is_acknowledged, status.who) == ("g-17", True, "bob")
    assert [(one.text(3), one.text(5)) for one in message.all("OBX")] == [
        ("68483", "alert-acknowledged"),
        ("alert-answer", response),
    ]


def test_it_is_addressed_to_whoever_sent_it_and_names_its_order() -> None:
    (message,) = told()
    assert (message.header.raw(3), message.header.raw(5)) == ("HOME", "SIM_HD^0A1B^EUI-64")
    order = message.first("OBR")
    assert order is not None
    assert order.raw(3) == "A-1^SIM_HD^0A1B^EUI-64"


def test_nobody_is_named_but_by_an_id() -> None:
    for who in ("Device/fhirserver", "Practitioner/n by HL7 v2: Nightingale"):
        (message,) = told(who=who)
        person = message.first("PRT")
        assert person is not None
        assert "Nightingale" not in person.raw(5)


@pytest.mark.parametrize(
    ("response", "source"),
    [("notifying", SOURCE), ("accepted", SOURCE._replace(sender="another"))],
)
def test_what_nobody_answered_and_what_others_sent_is_not_told(
    response: str, source: Source
) -> None:
    assert told(response, source=source) == []


def test_an_alarm_that_came_another_way_is_not_told() -> None:
    flag = flag_of(
        alert_as("accepted"),
        subject="Patient/ann",
        evidence=(),
        answered=Answered.by(alert_as("accepted"), "", AT),
    )
    assert messages(bundle([{**flag, "id": "f1"}]), ASKED, "s1", NOW) == ()


TOPIC = canonical.TOPIC_ALERT_ANSWER


def test_whose_alarms_are_answered_must_be_said() -> None:
    said = ("message: ORA^R41", "sender: gateway")
    assert list(header_faults(said, TOPIC)) == []
    assert asked(said).sender == "gateway"
    assert list(header_faults(("message: ORA^R41",), TOPIC))
    assert list(header_faults(("message: ORA^R41", "sender: a|b"), TOPIC))
    assert list(header_faults(("message: ORU^R40", "sender: x"), canonical.TOPIC_DEVICE_ALERT))
    assert list(header_faults(said, canonical.TOPIC_DEVICE_ALERT))
