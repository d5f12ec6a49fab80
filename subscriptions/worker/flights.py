"""What this process is delivering just now: which Subscriptions, in which lanes, under which leases."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from subscriptions.core.lanes import Lane, free_places
from subscriptions.store.cursor_rows import Lease

Key = tuple[int, str]


@dataclass(slots=True)
class Flight:
    """One delivery. `lease` None: not leased yet. `sending`: the task that may be broken off."""

    lane: Lane
    since: datetime
    lease: Lease | None = None
    sending: asyncio.Task[None] | None = None


class Flights:
    """The deliveries of one process by (tenant, Subscription)."""

    def __init__(self) -> None:
        """Begin with none."""
        self._all: dict[Key, Flight] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._all

    def __len__(self) -> int:
        return len(self._all)

    def begin(self, key: Key, lane: Lane, now: datetime) -> None:
        """Note that `key` is being delivered."""
        self._all[key] = Flight(lane, now)

    def leased(self, tenant: int, lease: Lease, since: datetime) -> None:
        """Note the lease a Subscription is delivered under; it began to be sent at `since`."""
        flight = self._all[tenant, lease.subscription]
        flight.lease, flight.since = lease, since

    def sent_by(self, key: Key, task: asyncio.Task[None] | None) -> None:
        """Note the task that is sending, None when it is done and must not be broken off."""
        self._all[key].sending = task

    def end(self, key: Key) -> None:
        """Note that `key` is not being delivered any more."""
        self._all.pop(key, None)

    def places(self, now: datetime) -> Mapping[Lane, int]:
        """Return how many more deliveries may begin in each lane."""
        return free_places(((one.lane, one.since) for one in self._all.values()), now)

    def held(self) -> Mapping[int, list[Lease]]:
        """Return the leases by tenant."""
        found: dict[int, list[Lease]] = {}
        for (tenant, _), flight in self._all.items():
            if flight.lease is not None:
                found.setdefault(tenant, []).append(flight.lease)
        return found

    def break_off(self, tenant: int, lease: Lease) -> None:
        """Stop sending what somebody else has taken over, or what its Subscription does not ask for any more."""
        flight = self._all.get((tenant, lease.subscription))
        if flight is not None and flight.lease == lease and flight.sending is not None:
            flight.sending.cancel()

    def break_off_all(self) -> None:
        """Stop sending whatever is being sent."""
        for flight in self._all.values():
            if flight.sending is not None:
                flight.sending.cancel()
