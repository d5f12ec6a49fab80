"""Lines that say nothing but a number: what they measure is known by their text, found once for each sender. Pure.

A machine says the same lines every second, but for their numbers and times. Lines that say more (a state, a flag, another
unit, no number) are read field by field in `adapters.hl7v2.device.pcd01`, and so is each of these the first time.
"""

import re
from decimal import Decimal
from typing import Final, NamedTuple

from adapters.hl7v2.device import codes
from adapters.hl7v2.device.measured import told_of, unit_of_line
from adapters.hl7v2.device.reported import MetricTold
from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.device.status import PLAIN, status_of
from adapters.metrics import METRICS
from fhirserver.wire.hl7v2.message import Segment

# All that decides what a line means, but for its number and its time.
_SAYING: Final = (2, 3, 6, 7, 8, 11)
_PLAIN_NUMBER: Final = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,12})?", re.ASCII)


class PlainLine(NamedTuple):
    """The measure a line is about, and how it was sent."""

    code: str
    told: MetricTold


def plain_line(obx: Segment, sender: Sender) -> PlainLine | None:
    """Return what a line measures when its value is an ordinary one; None where it must be read field by field."""
    if not obx.is_standard:
        return None
    return sender.known(obx.raws(_SAYING), lambda: _plain_line(obx, sender))


def plain_number(text: str) -> Decimal | None:
    """Return a number that stands there by itself, with its digits; None for anything else."""
    return Decimal(text) if _PLAIN_NUMBER.fullmatch(text) is not None else None


def _plain_line(obx: Segment, sender: Sender) -> PlainLine | None:
    raws = obx.raws(_SAYING)
    if raws[0] == "SN" or any("\\" in one for one in raws):
        return None
    metric = METRICS.get(codes.code_of(obx.field(3), sender) or "")
    if metric is None or status_of(obx) is not PLAIN:
        return None
    if unit_of_line(obx, sender) not in (None, metric.unit):
        return None
    return PlainLine(metric.code, told_of(obx, metric, sender))
