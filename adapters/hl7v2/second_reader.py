"""Another reader of HL7 v2 beside our own: where the two see different things, a message is written badly.

Somebody who sets up an interface asks for this; no message passes through here on its way into the record, because the
library reads some escape sequences wrongly and takes a hundred times as long (docs/adr).
"""

import hl7
from hl7.exceptions import HL7Exception

from fhirserver.wire.hl7v2.message import Message


def differences(text: str, message: Message) -> list[str]:
    """Return the places where the library `hl7` reads `text` otherwise than `message` does."""
    try:
        theirs = hl7.parse(text.replace("\r\n", "\r").replace("\n", "\r"))
    except (HL7Exception, IndexError, ValueError, AssertionError) as problem:
        return [f"the other reader refuses it: {type(problem).__name__}"]
    found = [one for one in theirs if str(one)]
    if len(found) != len(message.segments):
        return [f"{len(message.segments)} segments here, {len(found)} there"]
    places = []
    for ours, other in zip(message.segments, found, strict=True):
        last = max(ours.count, len(other) - 1)
        for number in range(1, last + 1):
            there = str(other[number]) if number < len(other) else ""
            if ours.raw(number).strip() != there.strip():
                places.append(f"{ours.id}-{number} (segment {ours.position} of its kind)")
    return places
