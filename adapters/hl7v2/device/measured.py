"""How a line says its measure: in which unit, and with which limits of the device. Pure."""

from typing import Final

from adapters.containment import Window
from adapters.hl7v2.device.numbers import window_of
from adapters.hl7v2.device.reported import MetricTold
from adapters.hl7v2.device.sender import Sender
from adapters.metrics import METRICS, Metric
from fhirserver.wire.hl7v2.message import Part, Segment

_UNITS: Final = frozenset(metric.unit for metric in METRICS.values())


def unit_of_line(obx: Segment, sender: Sender) -> str | None:
    """Return the UCUM unit of a line, of whichever coding is one we know; None where it has none."""
    return sender.meaning(obx.field(6), "unit", _unit_of) if obx.raw(6) else None


def told_of(obx: Segment, metric: Metric, sender: Sender) -> MetricTold:
    """Return how a line sends `metric`, whose unit it has or leaves out."""
    return MetricTold(metric.unit, sender.meaning(obx.field(7), "window", _window_of))


def _unit_of(part: Part, sender: Sender) -> str | None:
    units = [sender.unit(text) for number in (1, 4, 2, 5) if (text := part.text(number))]
    return next((unit for unit in units if unit in _UNITS), units[0] if units else None)


def _window_of(part: Part, _sender: Sender) -> Window | None:
    return window_of(part.text())
