"""MLLP: where a message begins and ends in a stream of bytes. Sans-IO; the same for any chunking.

A frame is ``<VT> content <FS> <CR>``. It ends with its FS: the CR behind it is skipped with whatever line ends stand
between frames, so that a sender that leaves it out need not wait for ever. A frame whose end was lost ends where the
next message begins (VT and MSH).

Spec: HL7 Transport Specification: MLLP, Release 2 (https://www.hl7.org/documentcenter/public/wg/inm/mllp_transport_specification.PDF)
"""

from dataclasses import dataclass
from typing import Final

START: Final = b"\x0b"
END: Final = b"\x1c"
_BETWEEN: Final = b"\r\n"
_RESTART: Final = b"\x0bMSH"


@dataclass(frozen=True, slots=True)
class Frame:
    """The content of one frame."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Stray:
    """So many bytes that belong to no frame, or to one whose end never came."""

    count: int


@dataclass(frozen=True, slots=True)
class TooLong:
    """A frame has more bytes than the limit; the rest of it is skipped."""


Found = Frame | Stray | TooLong


def framed(content: bytes) -> bytes:
    """Return `content` as one frame."""
    return START + content + END + b"\r"


class FrameReader:
    """Takes a stream apart."""

    def __init__(self, limit: int) -> None:
        """Skip frames with more than `limit` bytes."""
        self._limit = limit
        self._held = bytearray()
        self._inside = False
        self._skipping = False
        self.stray = 0
        """Bytes since the last frame that belong to none; told by `feed` when the next one begins."""

    @property
    def is_inside(self) -> bool:
        """Return whether a frame has begun and not ended."""
        return self._inside

    def feed(self, data: bytes) -> list[Found]:
        """Return what ended with `data`, in order."""
        found: list[Found] = []
        position = 0
        while position < len(data):
            step = self._in_frame if self._inside else self._between
            position = step(data, position, found)
        return found

    def _between(self, data: bytes, position: int, found: list[Found]) -> int:
        start = data.find(START, position)
        skipped = data[position : len(data) if start < 0 else start]
        self.stray += len(skipped.translate(None, _BETWEEN))
        if start < 0:
            return len(data)
        if self.stray:
            found.append(Stray(self.stray))
            self.stray = 0
        self._inside = True
        return start + 1

    def _in_frame(self, data: bytes, position: int, found: list[Found]) -> int:
        end = data.find(END, position)
        stop = len(data) if end < 0 else end
        if not self._skipping:
            self._held += data[position:stop]
            if len(self._held) > self._limit:
                found.append(TooLong())
                self._held.clear()
                self._skipping = True
        if end < 0:
            return len(data)
        if not self._skipping:
            self._finish(found)
        self._inside = self._skipping = False
        return end + 1

    def _finish(self, found: list[Found]) -> None:
        content = bytes(self._held)
        self._held.clear()
        lost = content.rfind(_RESTART)
        if lost >= 0:
            found.append(Stray(lost))
            content = content[lost + 1 :]
        found.append(Frame(content))
