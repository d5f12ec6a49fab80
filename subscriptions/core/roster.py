"""The roster at a moment: who of all that are listed is told now, and when that changes.

Pure: what the care teams say and who can be reached comes in, a `Roster` comes out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from subscriptions.core import quiet_hours
from subscriptions.core.care_team import is_professional
from subscriptions.core.contact_plan import Plan
from subscriptions.core.ladder_pace import pace
from subscriptions.core.ladder_state import Contact, Roster


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of one care team: `member` is told between `starts` and `ends` (None is open).

    `unreachable` says why nothing can be sent, None when something can.
    """

    member: str
    tier: int
    plan: Plan
    starts: datetime | None
    ends: datetime | None
    shares_with_patient: bool
    unreachable: str | None


def roster_at(
    listed: Iterable[Listed], at: datetime, changes: Iterable[datetime | None] = ()
) -> Roster:
    """Return who is told at `at`; of a member listed twice the first place on the ladder counts.

    `changes` are further moments at which somebody else may be listed: shifts of people on call.
    """
    everybody = list(listed)
    now = [one for one in everybody if _within(one, at)]
    places: dict[str, Contact] = {}
    for one in sorted(now, key=lambda one: (one.tier, one.plan.order, one.member)):
        places.setdefault(one.member, _contact(one, at))
    bounds = [
        *changes,
        *(bound for one in everybody for bound in (one.starts, one.ends)),
        *(quiet_hours.next_change(one.plan.quiet, at) for one in now),
    ]
    return Roster(
        contacts=tuple(places.values()),
        until=min((bound for bound in bounds if bound is not None and bound > at), default=None),
        pace=pace(one.plan.pace for one in now),
    )


def _within(one: Listed, at: datetime) -> bool:
    begun = one.starts is None or one.starts <= at
    return begun and (one.ends is None or one.ends > at)


def _contact(one: Listed, at: datetime) -> Contact:
    unreachable = one.unreachable
    if unreachable is None and not one.plan.media:
        unreachable = "no-channel"
    return Contact(
        member=one.member,
        tier=one.tier,
        professional=is_professional(one.member),
        shares_with_patient=one.shares_with_patient,
        unreachable=unreachable,
        order=one.plan.order,
        media=one.plan.media,
        quiet=quiet_hours.is_quiet(one.plan.quiet, at),
    )
