"""The messages that a notification becomes, of the kind its Subscription asks for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from fhirserver.kernel.resource import Json
from subscriptions.core.hl7v2.admissions import admissions
from subscriptions.core.hl7v2.alarms import alarms
from subscriptions.core.hl7v2.asked import Asked, MessageKind
from subscriptions.core.hl7v2.header import Outgoing
from subscriptions.core.hl7v2.results import results
from subscriptions.core.hl7v2.told import Told, told

_WRITERS: Final[
    Mapping[MessageKind, Callable[[Told, Asked, str, datetime], Iterator[Outgoing]]]
] = {"ORU^R01": results, "ORU^R40": alarms, "ADT": admissions}


def messages(bundle: Json, asked: Asked, subscription: str, sent: datetime) -> Sequence[Outgoing]:
    """Return what to send of the events of `bundle`, in their order; MSH-7 is `sent`.

    Events about other types than `asked` is about, and those that say nothing HL7 v2 has a word for, are none.
    """
    write = _WRITERS[asked.kind]
    return tuple(write(told(bundle), asked, subscription, sent))
