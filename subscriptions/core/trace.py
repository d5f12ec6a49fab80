"""What a trend remembers: means over short stretches of time of one to three measured quantities.

Finite: a sample that has left the memory has no part in any verdict, so whoever reads the same
samples comes to the same verdict, whatever was before. A stretch keeps sum and number of its
samples; the order in which they arrive does not matter, and a late sample finds its place.
"""

import struct
import sys
from array import array
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

# Sums are kept in thousandths of the unit, so that Decimals of up to three places lose nothing.
_SCALE: Final = 1000
_MOST: Final = 255
_LARGEST: Final = 2**31 - 1
_HEAD: Final = struct.Struct("<qHB")


class Trace:
    """`length` stretches, the last of them number `last`; one column per quantity."""

    __slots__ = ("_counts", "_sums", "last", "length")

    def __init__(self, columns: int, length: int, last: int) -> None:
        """An empty memory that ends with the stretch number `last`."""
        self.length = length
        self.last = last
        self._sums = [array("i", bytes(4 * length)) for _ in range(columns)]
        self._counts = [array("B", bytes(length)) for _ in range(columns)]

    @property
    def columns(self) -> int:
        """Return how many quantities are remembered."""
        return len(self._sums)

    def advance(self, stretch: int) -> None:
        """Let the memory end with `stretch`, forgetting what is too old; never goes back."""
        by = stretch - self.last
        if by <= 0:
            return
        self.last = stretch
        by = min(by, self.length)
        for sums in self._sums:
            del sums[:by]
            sums.frombytes(bytes(4 * by))
        for counts in self._counts:
            del counts[:by]
            counts.frombytes(bytes(by))

    def add(self, column: int, stretch: int, thousandths: int) -> bool:
        """Add a sample to a stretch that is not after the last; return False if it is too old."""
        place = self.length - 1 - (self.last - stretch)
        if place < 0:
            return False
        counts, sums = self._counts[column], self._sums[column]
        total = sums[place] + thousandths
        if counts[place] < _MOST and -_LARGEST <= total <= _LARGEST:
            counts[place] += 1
            sums[place] = total
        return True

    def means(self, column: int, first: int, last: int) -> list[float | None]:
        """Return the means of the stretches `first` to `last`, None where nothing was measured."""
        start = self.length - 1 - (self.last - first)
        stop = start + last - first + 1
        lead: list[float | None] = [None] * max(0, min(-start, last - first + 1))
        start, stop = max(0, start), max(0, stop)
        return lead + [
            total / (number * _SCALE) if number else None
            for total, number in zip(
                self._sums[column][start:stop], self._counts[column][start:stop], strict=True
            )
        ]

    def pack(self) -> bytes:
        """Return the memory as bytes."""
        parts = [_HEAD.pack(self.last, self.length, self.columns)]
        for sums, counts in zip(self._sums, self._counts, strict=True):
            parts += (_ordered(sums).tobytes(), counts.tobytes())
        return b"".join(parts)

    @classmethod
    def unpack(cls, data: bytes) -> "Trace":
        """Return the memory that `pack` made `data` from."""
        last, length, columns = _HEAD.unpack_from(data)
        trace = cls(0, length, last)
        offset = _HEAD.size
        for _ in range(columns):
            sums = array("i")
            sums.frombytes(data[offset : offset + 4 * length])
            counts = array("B")
            counts.frombytes(data[offset + 4 * length : offset + 5 * length])
            trace._sums.append(_ordered(sums))
            trace._counts.append(counts)
            offset += 5 * length
        return trace


def thousandths(value: Decimal) -> int:
    """Return a number in thousandths, rounded towards zero."""
    return int(value * _SCALE)


def mean_of(values: Sequence[float | None]) -> float | None:
    """Return the mean of what was measured, None for nothing."""
    measured = [value for value in values if value is not None]
    return sum(measured) / len(measured) if measured else None


def _ordered(numbers: "array[int]") -> "array[int]":
    """Return `numbers` in little-endian order, so that every machine reads the same."""
    if sys.byteorder == "little":
        return numbers
    swapped = numbers[:]
    swapped.byteswap()
    return swapped
