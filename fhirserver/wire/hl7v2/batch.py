"""Several messages in one frame: with the envelopes of a file (FHS, FTS) and a batch (BHS, BTS), or one after another.

Spec: HL7 v2.6, 2.10.3 (batch protocol).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fhirserver.wire.hl7v2.delimiters import NotHl7
from fhirserver.wire.hl7v2.message import Message, lines_of, read

_HEADERS: Final = ("FHS", "BHS")
_TRAILERS: Final = ("BTS", "FTS")


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages of a frame, each as its `lines`. `header` is the BHS, else the FHS; None for a bare message.

    `told` is how many messages the trailer says there are, None where it says nothing.
    """

    lines: Sequence[Sequence[str]]
    header: Message | None
    told: int | None

    @property
    def messages(self) -> tuple[str, ...]:
        """Return each message as text."""
        return tuple("\r".join(one) + "\r" for one in self.lines)

    @property
    def is_batch(self) -> bool:
        """Return whether the frame is an envelope or holds several messages."""
        return self.header is not None or len(self.lines) != 1

    @property
    def is_short(self) -> bool:
        """Return whether the trailer counts other messages than there are."""
        return self.told is not None and self.told != len(self.lines)


def messages_of(text: str, codec: str = "utf-8") -> Batch:
    """Return the messages of a frame's `text`, in order. Raises `NotHl7` where there is no message."""
    messages: list[list[str]] = []
    header: Message | None = None
    told: int | None = None
    for line in lines_of(text):
        kind = line[:3]
        if kind in _HEADERS:
            envelope = read(line, codec)
            header = envelope if kind == "BHS" or header is None else header
        elif kind in _TRAILERS:
            count = line[4:].split(line[3:4] or "|", 1)[0]
            if kind == "BTS" and count.isascii() and count.isdigit() and len(count) < 10:
                told = int(count) + (told or 0)
        elif kind == "MSH":
            messages.append([line])
        elif messages:
            messages[-1].append(line)
        else:
            raise NotHl7("the message does not begin with MSH")
    if not messages and header is None:
        raise NotHl7("the message is empty")
    return Batch(messages, header, told)
