"""What goes with a notification beside its Bundle, because no Bundle says it and a message of HL7 v2 must."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from fhirserver.kernel.resource import Json


class Source(NamedTuple):
    """The message that told of an alarm last: its MSH-10, its OBR-3 as sent, and its MSH-3 and MSH-4 as sent."""

    sender: str
    control_id: str
    filler: str
    application: str
    facility: str


@dataclass(frozen=True, slots=True)
class Enclosed:
    """`before`: the resource of an event as it was before, by the event's number. `sources`: by the id of a Flag.

    `going_on`: a notification of the events that last told of alerts that go on, with their Flags as they are now.
    """

    before: Mapping[int, Json] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    going_on: Json | None = None


NOTHING = Enclosed()
