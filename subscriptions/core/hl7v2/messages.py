"""The messages that a notification becomes, of the kind its Subscription asks for."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import assert_never

from fhirserver.kernel.resource import Json
from subscriptions.core.hl7v2.admissions import admissions
from subscriptions.core.hl7v2.alarm_answers import alarm_answers
from subscriptions.core.hl7v2.alarms import alarms, keep_alives
from subscriptions.core.hl7v2.asked import Asked
from subscriptions.core.hl7v2.enclosed import NOTHING, Enclosed
from subscriptions.core.hl7v2.header import Outgoing
from subscriptions.core.hl7v2.results import results
from subscriptions.core.hl7v2.told import Told, told


def messages(
    bundle: Json, asked: Asked, subscription: str, sent: datetime, enclosed: Enclosed = NOTHING
) -> Sequence[Outgoing]:
    """Return what to send of the events of `bundle`, in their order; MSH-7 is `sent`.

    Events about other types than `asked` is about, and those that say nothing HL7 v2 has a word for, are none.
    """
    return tuple(_written(told(bundle), asked, subscription, sent, enclosed))


def going_on(
    enclosed: Enclosed, asked: Asked, subscription: str, sent: datetime
) -> Sequence[Outgoing]:
    """Return what to send of alerts that go on, besides any event."""
    if enclosed.going_on is None:
        return ()
    return keep_alives(told(enclosed.going_on), asked, subscription, sent)


def _written(
    what: Told, asked: Asked, subscription: str, sent: datetime, enclosed: Enclosed
) -> Iterator[Outgoing]:
    match asked.kind:
        case "ORU^R01":
            return results(what, asked, subscription, sent)
        case "ORU^R40":
            return alarms(what, asked, subscription, sent)
        case "ORA^R41":
            return alarm_answers(what, asked, subscription, sent, enclosed)
        case "ADT":
            return admissions(what, asked, subscription, sent, enclosed)
        case _:
            assert_never(asked.kind)
