"""Which alerts belong to one incident, and which of them is its cause.

One accident speaks with several voices: the venous pressure falls, the pump stops, the machine
concludes that the access is open. Alerts of one patient whose families form a chain and that ring
within a minute of each other are one incident; people are called for the incident. Test data has
incidents of its own: nobody is called for those.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from fhirserver.kernel.canonical import ALERT_CODES, MDC
from subscriptions.core.alert import URGENCY, Alert, Family
from subscriptions.core.constants import GROUPED_WITHIN
from subscriptions.core.event_codes import (
    LOW,
    NEEDLE_SUSPECTED,
    PUMP_STOP,
    VENOUS_ACCESS,
    VENOUS_AIR,
)

_CHAINS: Final[dict[Family, str]] = {
    "blood-loss": "circuit",
    "air": "circuit",
    "pressure": "circuit",
    "monitoring-lost": "equipment",
    "power": "equipment",
}

# The larger, the nearer to the cause: an open access explains a stopped pump, which explains a low
# pressure. What the machine found outranks what this server suspects.
_ROOT_RANK: Final[dict[tuple[str, str], int]] = {
    (MDC, VENOUS_ACCESS): 4,
    (MDC, VENOUS_AIR): 4,
    (ALERT_CODES, NEEDLE_SUSPECTED.code): 3,
    (MDC, PUMP_STOP): 2,
    (MDC, LOW): 1,
}


def chain(family: Family) -> str:
    """Return the name of the chain `family` belongs to; most families are their own."""
    return _CHAINS.get(family, family)


def incident_of(
    family: Family,
    device: str | None,
    patient: str | None,
    at: datetime,
    alerts: Iterable[Alert],
    *,
    simulated: bool,
) -> UUID | None:
    """Return the open incident a new alert joins, None when it starts its own.

    `alerts` are those of the same patient (of the same unbound device when `patient` is None).
    """
    within = timedelta(seconds=GROUPED_WITHIN.value)
    candidates = [
        alert
        for alert in alerts
        if alert.is_open
        and alert.simulated == simulated
        and chain(alert.family) == chain(family)
        and (patient is not None or alert.device == device)
        and at - (alert.rang or alert.raised) <= within
    ]
    return max(candidates, key=lambda alert: alert.raised).incident if candidates else None


def root_cause(alerts: Sequence[Alert]) -> Alert:
    """Return the alert nearest to the cause, then most urgent, then first.

    Raises ValueError for an empty incident.
    """
    return max(
        alerts,
        key=lambda alert: (
            _ROOT_RANK.get((alert.system, alert.code), 0),
            URGENCY[alert.priority],
            -alert.raised.timestamp(),
        ),
    )
