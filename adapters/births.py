"""What birth messages leave behind: themselves, machines' trees of resources, and the limits these have from now on.

All births of a batch are taken together: a thousand machines that are switched on in one minute must not stand in front
of an alarm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters import containment
from adapters.metrics import METRICS
from adapters.mqtt.messages import Birth
from adapters.observation import metric_id
from fhirserver.kernel import keys
from fhirserver.kernel.readings import DeviceLimits, Limit
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import EnrolledDevice, TelemetryTransaction

_METRIC: Final = "DeviceMetric"


@dataclass(frozen=True, slots=True)
class Born:
    """A birth message of a device we know, and when the server received it."""

    device: EnrolledDevice
    birth: Birth
    received: datetime

    @property
    def content(self) -> Json:
        """What is kept: the message, and how far the device's monotonic clock is off."""
        content = dict(self.birth.content)
        if self.birth.mono_ms is not None:
            content["offset_ms"] = keys.unix_ms(self.received) - self.birth.mono_ms
        return content

    @property
    def windows(self) -> dict[str, containment.Window]:
        """The machine's own limits."""
        return containment.windows(self.birth.content)


async def take(
    tx: TelemetryTransaction, births: Sequence[Born], before: Mapping[str, Json]
) -> list[DeviceLimits]:
    """Store `births` and return the limits of the machines that have any now or had; `before`: their last births.

    A DeviceMetric changes only where the machine describes it differently. One whose limits are of an
    earlier birth, and of which this one says nothing, loses them.
    """
    tx.save_births({(one.device.address, one.birth.boot): one.content for one in births})
    described: dict[tuple[str, str], Json] = {}
    newest = {one.device.device: one for one in births}
    for one in newest.values():
        device = one.device.device
        for code in containment.windows(before.get(one.device.address, {})):
            metric = metric_id(device, code)
            described[_METRIC, metric] = {"resourceType": _METRIC, "id": metric}
        for resource in containment.resources(device, one.birth.content):
            described[resource["resourceType"], resource["id"]] = resource
    await tx.lock(described)
    versions = {place: await _put(tx, resource) for place, resource in described.items()}
    return [
        _limits(one, versions)
        for one in newest.values()
        if one.windows or containment.windows(before.get(one.device.address, {}))
    ]


def _limits(born: Born, versions: Mapping[tuple[str, str], int]) -> DeviceLimits:
    device = born.device.device
    told = []
    for code, window in born.windows.items():
        metric = metric_id(device, code)
        unit = METRICS[code].unit
        told.append(Limit(code, unit, window.low, window.high, metric, versions[_METRIC, metric]))
    return DeviceLimits(device, born.birth.boot, born.received, tuple(told))


async def _put(tx: TelemetryTransaction, described: Json) -> int:
    """Bring a locked resource in step with what its machine describes, where it differs; return its version."""
    current = await tx.current(described["resourceType"], described["id"])
    known = None if current is None else current.resource
    resource = containment.renewed(known, described)
    if current is not None and resource == known:
        return current.stored.version
    return (await tx.put(resource, id_=described["id"])).version
