"""What is known of a device that never introduces itself: put together from what its messages say. Pure.

An MQTT device publishes a birth that says all there is. Here every message says something of the measures in it, and
nothing of the others.
"""

from typing import Any, Final

from adapters.containment import Window
from adapters.hl7v2.device.reported import DeviceReport, MetricTold
from fhirserver.kernel.resource import Json

_KNOWN_BY: Final = ("model", "serial")


def described(before: Json, report: DeviceReport) -> Json | None:
    """Return the birth of the device as it is known now, None when that is what `before` says already.

    A measure that was sent without limits has none any more; one that was not sent keeps what it had.
    """
    metrics: dict[str, Any] = dict(before.get("metrics", {}))
    metrics.update((code, _described(one)) for code, one in report.told.items())
    now: Json = {**before, "metrics": metrics, "interval_s": report.interval, "sim": report.test}
    for name in _KNOWN_BY:
        if (value := getattr(report, name)) is not None:
            now[name] = value
    return None if now == before else now


def _described(told: MetricTold) -> Json:
    if told.limits is None:
        return {"unit": told.unit}
    return {"unit": told.unit, "limits": _ends(told.limits)}


def _ends(window: Window) -> Json:
    ends = (("low", window.low), ("high", window.high))
    return {name: value for name, value in ends if value is not None}
