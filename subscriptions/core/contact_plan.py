"""How a care team wants one of its members to be called: order, channels, quiet hours, times.

Extensions of `CareTeam.participant` and of the team itself; who is called at all, and on which
rung, is `subscriptions.core.care_team`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fhirserver.kernel.canonical import CONTACT_CHANNEL, ESCALATION_ORDER, QUIET_HOURS
from fhirserver.kernel.resource import Json
from fhirserver.relations.wall_clock import clock_time, is_zone
from subscriptions.core.ladder_pace import Wishes, wishes_of
from subscriptions.core.quiet_hours import QuietHours
from subscriptions.core.timing import Medium

_MEDIA: Final[tuple[Medium, ...]] = ("sms", "voice")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a member is called. `order` within their tier; `media` () is nobody's telephone."""

    order: int = 1
    media: tuple[Medium, ...] = _MEDIA
    quiet: tuple[QuietHours, ...] = ()
    pace: Wishes = field(default_factory=dict)


AS_USUAL: Final = Plan()


def plan_of(team: Json, participant: Json) -> Plan:
    """Return how `participant` of `team` is called. Raises `ValueError` for what makes no sense."""
    extensions = participant.get("extension", [])
    orders = [e.get("valuePositiveInt") for e in extensions if e.get("url") == ESCALATION_ORDER]
    channels = [e.get("valueCode") for e in extensions if e.get("url") == CONTACT_CHANNEL]
    return Plan(
        order=orders[0] if orders and isinstance(orders[0], int) else 1,
        media=_media(channels),
        quiet=tuple(_quiet(e) for e in extensions if e.get("url") == QUIET_HOURS),
        pace=wishes_of(team),
    )


def _media(channels: list[Any]) -> tuple[Medium, ...]:
    if not channels:
        return _MEDIA
    unknown = [one for one in channels if one not in (*_MEDIA, "none")]
    if unknown:
        raise ValueError("a contact channel is sms, voice or none")
    if "none" in channels and len(set(channels)) > 1:
        raise ValueError("the contact channel none stands alone")
    return tuple(medium for medium in _MEDIA if medium in channels)


def _quiet(extension: Json) -> QuietHours:
    parts: Mapping[str, Any] = {p.get("url"): p for p in extension.get("extension", [])}
    start = clock_time(parts.get("start", {}).get("valueTime"))
    end = clock_time(parts.get("end", {}).get("valueTime"))
    zone = parts.get("zone", {}).get("valueCode")
    if start is None or end is None:
        raise ValueError("quiet hours need a start and an end: local times")
    if not isinstance(zone, str) or not is_zone(zone):
        raise ValueError("quiet hours need a zone: an IANA time zone")
    return QuietHours(start, end, zone)
