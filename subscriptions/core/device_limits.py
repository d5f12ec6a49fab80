"""A machine's own alarm limits as rules: what it announced it has, once it should have told and did not.

Pure. A machine watches its limits itself and tells within seconds, with the priority they deserve.
These rules are there for the alarm that did not come. So they have the lowest precedence, ring PM at
most, wait until the machine has had its time, and are silent where the machine tells of the same.

A window around a pressure is right for the blood flow it was centred at. From the first flow that is
told after limits were announced, a change of more than `LIMITS_KEPT_FLOW` ends their force until the
machine announces limits again: the pump was turned or stopped, and what was normal is no more.
PoCD, DeviceMetric: https://hl7.org/fhir/uv/pocd
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from fhirserver.kernel.readings import DeviceLimits, Limit, Mode, Reading
from subscriptions.core.alert import Alert
from subscriptions.core.constants import LIMITS_GOOD_FOR, LIMITS_KEPT_FLOW, MACHINE_ALARMS_FIRST
from subscriptions.core.findings import Finding
from subscriptions.core.parameters import BY_CODE
from subscriptions.core.rule import Announced, Level, Rule
from subscriptions.core.window import Flow, Window

_SOURCE: Final = "DeviceMetric/"
_NOT_EASED: Final = Decimal(0)
_WHILE: Final[tuple[Mode, ...]] = ("TX",)
# What a machine says that explains any pressure: its pump stands, blood or air is where it must not be.
_EXPLAINS: Final = frozenset(("blood-loss", "air"))

# When somebody uses a device, [starts, ends); None is open.
Use = tuple[datetime | None, datetime | None]


def rules_of(told: DeviceLimits, uses: Iterable[Use]) -> Iterator[Rule]:
    """Yield the rules that `told` makes for somebody who uses the machine at `uses`."""
    over = told.announced + timedelta(seconds=LIMITS_GOOD_FOR.value)
    for starts, ends in uses:
        for limit in told.limits:
            yield _rule(
                told,
                limit,
                told.announced if starts is None else max(told.announced, starts),
                over if ends is None else min(over, ends),
            )


def _rule(told: DeviceLimits, limit: Limit, starts: datetime, ends: datetime) -> Rule:
    known = BY_CODE.get(limit.code)
    return Rule(
        # A limit that is announced anew is broken anew.
        id=f"{limit.code}@{told.announced.isoformat()}",
        parameter=limit.code if known is None else known.name,
        display=limit.code if known is None else known.display,
        codes=(limit.code,) if known is None else known.codes,
        unit=limit.unit,
        low=limit.low,
        high=limit.high,
        floor_low=None,
        floor_high=None,
        sustained=MACHINE_ALARMS_FIRST.value,
        hysteresis=_NOT_EASED,
        priority="PM",
        modes=_WHILE,
        reread=False,
        family=None,
        starts=starts,
        ends=ends,
        source=_SOURCE + limit.metric,
        version=f"{_SOURCE}{limit.metric}/_history/{limit.version}",
        announced=Announced(told.device, told.announced),
    )


def follow(window: Window, limited: Mapping[str, datetime], reading: Reading) -> None:
    """Note the blood flow the limits of a machine of `limited` were announced at, and that it has changed."""
    announced = limited.get(reading.device)
    if announced is None or reading.effective < announced:
        return
    known = window.flows.get(reading.device)
    if known is None or known.announced != announced:
        window.flows[reading.device] = Flow(announced, reading.value)
    elif known.rate is None or abs(reading.value - known.rate) <= LIMITS_KEPT_FLOW.value:
        return
    else:
        window.flows[reading.device] = Flow(announced, None)
    window.changed = True


def forget(window: Window, limited: Mapping[str, datetime]) -> None:
    """Let go of the blood flows of machines whose limits count no more."""
    for device in window.flows.keys() - limited.keys():
        del window.flows[device]
        window.changed = True


def holds(window: Window, level: Level, reading: Reading, *, in_circuit: bool) -> bool:
    """Return whether a limit speaks of `reading`; what people wrote always does.

    A machine's own limit speaks of the values it measured itself after it announced the limit, in
    treatment; about the circuit only at the blood flow of then.
    """
    announced = level.announced
    if announced is None:
        return True
    if (
        reading.device != announced.device
        or not reading.bound
        or reading.effective < announced.at
        or reading.mode not in (None, *_WHILE)
    ):
        return False
    flow = window.flows.get(reading.device)
    return not in_circuit or flow is None or flow.announced != announced.at or flow.rate is not None


def told_by_machine(finding: Finding, alerts: Sequence[Alert]) -> bool:
    """Return whether `finding` is about a machine's own limit and that machine tells of it itself."""
    if finding.rule is None or not finding.rule.startswith(_SOURCE):
        return False
    return any(
        alert.is_open
        and alert.simulated == finding.simulated
        and alert.device == finding.device
        and alert.key.startswith("event:")
        and (alert.family in _EXPLAINS or _same(alert, finding))
        for alert in alerts
    )


def _same(alert: Alert, finding: Finding) -> bool:
    source = alert.key.rpartition(":")[2]
    known = BY_CODE.get(source)
    parameter = source if known is None else known.name
    return alert.code == finding.code and parameter == finding.detail.get("parameter")


def to_json(told: DeviceLimits) -> dict[str, Any]:
    """Return what `from_json` reads."""
    return {
        "device": told.device,
        "boot": told.boot,
        "announced": told.announced.isoformat(),
        "limits": [
            {
                "code": one.code,
                "unit": one.unit,
                "low": None if one.low is None else str(one.low),
                "high": None if one.high is None else str(one.high),
                "metric": one.metric,
                "version": one.version,
            }
            for one in told.limits
        ],
    }


def from_json(said: Mapping[str, Any]) -> DeviceLimits:
    """Return the limits that `to_json` wrote."""
    return DeviceLimits(
        said["device"],
        said["boot"],
        datetime.fromisoformat(said["announced"]),
        tuple(
            Limit(
                one["code"],
                one["unit"],
                None if one["low"] is None else Decimal(one["low"]),
                None if one["high"] is None else Decimal(one["high"]),
                one["metric"],
                int(one["version"]),
            )
            for one in said["limits"]
        ),
    )
