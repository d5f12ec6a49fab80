"""Numbered streams of messages: what is committed, what is missing, what the device is told. Pure."""

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

Ranges = list[tuple[int, int]]

# More ranges than this in one acknowledgement say nothing useful; the device keeps the rest and sends it again.
_MOST_RANGES = 32


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a device is told after a commit: every number up to `through` is committed or dead-lettered, and so are the
    ranges in `also`; `rejected` are the numbers among them that were refused.
    """

    address: str
    boot: str
    kind: str
    through: int
    also: tuple[tuple[int, int], ...]
    rejected: tuple[int, ...]

    def as_json(self) -> dict[str, object]:
        """Return the message of topic ``ack``."""
        body: dict[str, object] = {"boot": self.boot, "kind": self.kind, "through": self.through}
        if self.also:
            body["also"] = [list(pair) for pair in self.also]
        if self.rejected:
            body["rejected"] = list(self.rejected)
        return body


def contains(ranges: Ranges, number: int) -> bool:
    """Return whether `number` lies in one of the ascending closed `ranges`."""
    position = bisect_right(ranges, (number, number)) - 1
    if position >= 0 and ranges[position][1] >= number:
        return True
    position += 1
    return position < len(ranges) and ranges[position][0] == number


def add(ranges: Ranges, number: int) -> None:
    """Add `number`, joining neighbours; a number already there changes nothing."""
    if ranges and ranges[-1][1] + 1 == number:
        ranges[-1] = (ranges[-1][0], number)
        return
    position = bisect_right(ranges, (number, number))
    before = position > 0 and ranges[position - 1][1] >= number - 1
    if before and ranges[position - 1][1] >= number:
        return
    after = position < len(ranges) and ranges[position][0] <= number + 1
    if after and ranges[position][0] <= number:
        return
    if before and after:
        ranges[position - 1 : position + 1] = [(ranges[position - 1][0], ranges[position][1])]
    elif before:
        ranges[position - 1] = (ranges[position - 1][0], number)
    elif after:
        ranges[position] = (number, ranges[position][1])
    else:
        ranges.insert(position, (number, number))


def holes(ranges: Ranges) -> list[tuple[int, int]]:
    """Return the closed ranges missing between `ranges`; what came before the first number is not known to be missing."""
    return [(one[1] + 1, other[0] - 1) for one, other in itertools.pairwise(ranges)]


def acknowledge(
    address: str, boot: str, kind: str, ranges: Ranges, rejected: Sequence[int]
) -> Acknowledgement:
    """Return what the device may forget."""
    through = ranges[0][1] if ranges and ranges[0][0] <= 1 else 0
    rest = ranges[1:] if through else ranges
    return Acknowledgement(
        address, boot, kind, through, tuple(rest[-_MOST_RANGES:]), tuple(sorted(set(rejected)))
    )
