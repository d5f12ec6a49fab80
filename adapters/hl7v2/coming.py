"""A frame as it came in, taken apart into messages that each know what they mean. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.routing import MALFORMED, TOO_LONG, Interpreted, Refusal, interpret
from adapters.hl7v2.sites import Peer, Sites
from fhirserver.wire.hl7v2.acknowledgement import SEGMENT_SEQUENCE, UNKNOWN_KEY, Fault, Place
from fhirserver.wire.hl7v2.batch import Batch, messages_of
from fhirserver.wire.hl7v2.charset import Decoded, decode
from fhirserver.wire.hl7v2.delimiters import NotHl7
from fhirserver.wire.hl7v2.message import Message, Segment, read_lines

# Reasons of dead letters of this door, beside those of `adapters.hl7v2.routing`.
UNKNOWN_SENDER: Final = "unknown-sender"
_NOT_KNOWN: Final = (
    "this sender is not known here: it must be described among the senders of HL7_SITE"
)


@dataclass(frozen=True, slots=True)
class Coming:
    """One message that came in.

    `header` is None where none could be read, `found` where the message could not be, and then there is a `refusal`.
    `source` names the sender in dead letters. `replayed`: it was refused when it came, and is tried again now.
    """

    raw: bytes
    received: datetime
    source: str
    header: Segment | None
    sender: Sender | None
    found: Interpreted | None
    refusal: Refusal | None
    replayed: bool = False

    @property
    def kind(self) -> str:
        """Return ``ORU^R01``, or "" where that could not be read."""
        return "" if self.found is None else self.found.header.kind

    @property
    def key(self) -> tuple[str, str] | None:
        """Return the sender and control id that name the message for ever; None where it has no such name.

        Where a sender's control ids come again, the time of the message tells them apart.
        """
        if self.found is None or self.sender is None or not self.found.header.control_id:
            return None
        told = self.found.header
        if self.sender.reuses_ids and self.header is not None:
            return told.key, f"{told.control_id}|{self.header.raw(7)[:50]}"
        return told.key, told.control_id


def messages_in(
    frame: bytes, received: datetime, peer: Peer, sites: Sites, *, replayed: bool = False
) -> Iterator[Coming]:
    """Yield the messages of a frame in order; what cannot be read at all is one that is refused.

    What each of them means is found when it is its turn: others are served between the messages of a batch.
    """
    try:
        decoded, batch, messages = _taken_apart(frame, peer, sites)
    except NotHl7 as problem:
        fault = Fault(SEGMENT_SEQUENCE, problem.reason, Place("MSH"))
        yield _refused(frame, received, peer, None, Refusal("rejected", MALFORMED, (fault,)))
        return
    texts = batch.messages if batch.is_batch else ()
    for number, message in enumerate(messages):
        head = message.header
        raw = texts[number].encode(decoded.codec) if texts else frame
        sender = sites.sender_of(head, peer)
        if sender is None:
            fault = Fault(UNKNOWN_KEY, _NOT_KNOWN, Place("MSH", 1, 3))
            refusal = Refusal("rejected", UNKNOWN_SENDER, (fault,))
            yield _refused(raw, received, peer, head, refusal)
            continue
        meant = interpret(
            message,
            sender,
            sites.plans,
            historic=batch.is_batch or replayed,
            guessed=decoded.guessed,
        )
        if batch.is_short and meant.refusal is None:
            text_ = f"the batch says that it holds {batch.told} messages"
            meant.report.warn(Fault(SEGMENT_SEQUENCE, text_, Place("BTS", 1, 1), "W"))
        source = meant.header.key
        yield Coming(raw, received, source, head, sender, meant, meant.refusal, replayed)


def too_long(received: datetime, peer: Peer, most: int) -> Coming:
    """Return what stands for a message with more than `most` bytes, of which nothing is kept."""
    fault = Fault(SEGMENT_SEQUENCE, f"a message has {most} bytes at most")
    return _refused(b"", received, peer, None, Refusal("rejected", TOO_LONG, (fault,)))


def _refused(
    raw: bytes, received: datetime, peer: Peer, header: Segment | None, refusal: Refusal
) -> Coming:
    return Coming(raw, received, peer.certificate or peer.address, header, None, None, refusal)


def _taken_apart(
    frame: bytes, peer: Peer, sites: Sites
) -> tuple[Decoded, Batch, Sequence[Message]]:
    """Return the text and its messages; who sent it is known for sure when its header has been read."""
    first = sites.sender_of(None, peer)
    decoded = decode(frame) if first is None else decode(frame, first.charset)
    batch = messages_of(decoded.text, decoded.codec)
    if not batch.lines:
        return decoded, batch, ()
    begin = read_lines(batch.lines[0], decoded.codec)
    sender = sites.sender_of(begin.header, peer)
    if sender is not None and (first is None or sender.charset != first.charset):
        decoded = decode(frame, sender.charset)
        batch = messages_of(decoded.text, decoded.codec)
        begin = read_lines(batch.lines[0], decoded.codec)
    rest = [read_lines(lines, decoded.codec) for lines in batch.lines[1:]]
    return decoded, batch, (begin, *rest)
