"""What an administrator sees of Subscriptions, and what they may have sent again.

Everything is a plain dictionary, ready to be printed or written as JSON: times as FHIR instants,
None where there is nothing to say. Nothing of a notification's content is in it.
"""

from datetime import datetime
from typing import Any

from fhirserver.kernel.instant import instant
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.client_subscription import wishes
from subscriptions.core.delivery import Event, Replayed, Rewound, step
from subscriptions.store import cursor_rows, dead_letter_rows, standing_rows
from subscriptions.store.cursor_rows import Saved
from subscriptions.store.standing_rows import Standing

_TRIES = 10


async def listed(tx: Transaction) -> list[Json]:
    """Return how every Subscription of the tenant stands, by id."""
    return [_standing(one, tx) for one in await standing_rows.of_tenant(tx)]


async def shown(tx: Transaction, subscription: str) -> Json | None:
    """Return everything about the delivery of one Subscription; None when there is none."""
    standing = await standing_rows.of(tx, subscription)
    if standing is None:
        return None
    resource = await tx.get("Subscription", subscription)
    tries = await standing_rows.latest_tries(tx, subscription, _TRIES)
    letters = await dead_letter_rows.of(tx, subscription)
    return {
        **_standing(standing, tx),
        "endpoint": None if resource is None else wishes(resource).endpoint,
        "failingSince": _instant(standing.failing_since),
        "failure": standing.failure,
        "error": None if resource is None else resource.get("error"),
        "nextAt": _instant(standing.due_at),
        "latestAttempts": [
            {
                "at": instant(one.started),
                "channel": one.medium,
                "first": one.first,
                "last": one.last,
                "outcome": one.outcome,
                "failure": one.failure,
            }
            for one in tries
        ],
        "deadLetters": [
            {
                "first": one.first,
                "last": one.last,
                "reason": one.reason,
                "at": instant(one.at),
                "wantedAt": _instant(one.wanted),
                "sentAt": _instant(one.sent),
            }
            for one in letters
        ],
    }


async def replay_dead_letters(tx: Transaction, subscription: str) -> Json | None:
    """Have everything that was set aside of a Subscription sent again; None when there is none."""
    outcome = await _step(tx, subscription, Replayed())
    if outcome is None:
        return None
    return {**outcome, "deadLetters": await dead_letter_rows.want(tx, subscription)}


async def replay_since(tx: Transaction, subscription: str, since: int) -> Json | None:
    """Have every event from number `since` on sent again, in order; None when there is none."""
    return await _step(tx, subscription, Rewound(since))


async def _step(tx: Transaction, subscription: str, event: Event) -> Json | None:
    found = await cursor_rows.locked(tx, [subscription], skip_busy=False)
    claim = found.get(subscription)
    if claim is None:
        return None
    cursor, _ = step(claim.cursor, event, tx.now)
    cursor_rows.save_later(tx, [Saved(claim, cursor)])
    return {
        "subscription": subscription,
        "status": cursor.status,
        "deliveredThrough": cursor.delivered_through,
        "lastNumber": cursor.last_number,
    }


def _standing(one: Standing, tx: Transaction) -> dict[str, Any]:
    return {
        "subscription": one.subscription,
        "status": one.status,
        "topic": one.topic,
        "channel": one.channel,
        "lastNumber": one.last_number,
        "deliveredThrough": one.delivered_through,
        "lagEvents": one.lag_events,
        "lagSeconds": round(one.lag_seconds(tx.now), 3),
        "failures": one.failures,
        "delivered": one.handed,
        "failed": one.missed,
        "openDeadLetters": one.dead_letters,
        "lastSent": _instant(one.last_sent),
    }


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else instant(moment)
