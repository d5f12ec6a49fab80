"""Which alerts belong to one incident, and which of them is its cause.

One accident speaks with several voices: the venous pressure falls, the pump stops, the machine
concludes that the access is open. Alerts of one patient whose families form a chain and that ring
within a minute of each other are one incident; people are called for the incident.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from fhirserver.kernel.canonical import MDC
from subscriptions.core.alert import URGENCY, Alert, Family, more_urgent
from subscriptions.core.constants import GROUPED_WITHIN
from subscriptions.core.event_codes import LOW, PUMP_STOP, VENOUS_ACCESS, VENOUS_AIR

_CHAINS: Final[dict[Family, str]] = {
    "blood-loss": "circuit",
    "air": "circuit",
    "pressure": "circuit",
    "monitoring-lost": "equipment",
    "power": "equipment",
}

# The larger, the nearer to the cause: an open access explains a stopped pump, which explains a low
# pressure.
_ROOT_RANK: Final[dict[str, int]] = {VENOUS_ACCESS: 4, VENOUS_AIR: 4, PUMP_STOP: 3, LOW: 2}


def chain(family: Family) -> str:
    """Return the name of the chain `family` belongs to; most families are their own."""
    return _CHAINS.get(family, family)


def incident_of(
    family: Family, device: str | None, patient: str | None, at: datetime, alerts: Iterable[Alert]
) -> UUID | None:
    """Return the open incident a new alert joins, None when it starts its own.

    `alerts` are those of the same patient (of the same unbound device when `patient` is None).
    """
    within = timedelta(seconds=GROUPED_WITHIN.value)
    candidates = [
        alert
        for alert in alerts
        if alert.is_open
        and chain(alert.family) == chain(family)
        and (patient is not None or alert.device == device)
        and at - (alert.rang or alert.raised) <= within
    ]
    return max(candidates, key=lambda alert: alert.raised).incident if candidates else None


def starts_ladder(alert: Alert, others: Sequence[Alert]) -> bool:
    """Return whether `alert`, just raised, needs people called anew.

    False when an open alert of its incident that pages is at least as urgent: somebody is being
    called already.
    """
    return alert.pages and not any(
        other.id != alert.id
        and other.incident == alert.incident
        and other.is_open
        and other.pages
        and not more_urgent(alert.priority, other.priority)
        for other in others
    )


def root_cause(alerts: Sequence[Alert]) -> Alert:
    """Return the alert nearest to the cause, then most urgent, then first.

    Raises ValueError for an empty incident.
    """
    return max(
        alerts,
        key=lambda alert: (
            _ROOT_RANK.get(alert.code, 0) if alert.system == MDC else 0,
            URGENCY[alert.priority],
            -alert.raised.timestamp(),
        ),
    )
