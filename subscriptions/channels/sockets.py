"""All websockets of one process: binding, sending what is owed, recording what arrived, ending.

The process that holds a socket leases the cursors of its Subscriptions; a newer socket, here or in
another process, takes a cursor over by raising its epoch, and the older one ends. Whatever happens,
a cursor says no more than what has arrived, so the next socket goes on behind it.

An event for a thousand sockets costs a handful of statements: one scan finds which bound cursors are
behind, and one transaction reads for hundreds of them.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.errors import Conflict, Unavailable
from fhirserver.kernel.principal import Principal
from subscriptions.channels.bound import Bound, Reading, Socket
from subscriptions.channels.socket_frames import frames
from subscriptions.core.topic_catalog import Topics
from subscriptions.core.websocket_binding import (
    BAD_TOKEN,
    ENDED,
    GOING_AWAY,
    NO_ACCESS,
    TAKEN_OVER,
    TOO_MANY_BOUND,
    UNAVAILABLE,
    UNFIT,
    Close,
    Conversation,
    Key,
    Limits,
    Want,
)
from subscriptions.response.notifications import Notifications
from subscriptions.response.ports import Visibility
from subscriptions.store import binding_rows, cursor_rows, socket_rows
from subscriptions.store.binding_rows import BindingToken, Held
from subscriptions.store.cursor_rows import Lease
from subscriptions.worker.pace import periodically
from subscriptions.worker.ports import Clock, Scan, Transactions

_log = structlog.get_logger("websocket")

MOST_SOCKETS: Final = 10_000
LOOK_SECONDS: Final = 0.04
RECORD_SECONDS: Final = 0.1
CHECK_SECONDS: Final = 0.25
TICK_SECONDS: Final = 1.0
# Nobody waits for such a lease to end, a newer socket takes it at once: so it may be long, and is
# not written often.
LEASE: Final = timedelta(seconds=30)
RENEW_SECONDS: Final = 10.0
# A membership that runs out moves no epoch, so access is decided anew this often in any case.
DECIDE_EVERY: Final = timedelta(seconds=5)
_AT_ONCE: Final = 250
_CLOSING_SECONDS: Final = 1.0
_CLOSING_STEP: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Taken:
    """A Subscription just leased, and how far its cursor is."""

    bound: Bound
    delivered: int
    numbered: int


class Sockets:
    """Every socket of this process. One instance serves one application."""

    def __init__(  # noqa: PLR0913 - what it is wired of, each named at the one call
        self,
        *,
        transactions: Transactions,
        scan: Scan,
        clock: Clock,
        visibility: Visibility,
        notifications: Notifications,
        topics: Topics,
        access_epoch: Callable[[], int],
        is_well: Callable[[], bool],
        limits: Limits | None = None,
    ) -> None:
        """Work through `transactions`; `access_epoch` returns the newest one known. Beat while `is_well`."""
        self._transactions = transactions
        self._scan = scan
        self._clock = clock
        self._notifications = notifications
        self._reading = Reading(topics, visibility)
        self._access_epoch = access_epoch
        self._is_well = is_well
        self._limits = limits
        self._sockets: set[Socket] = set()
        self._bound: dict[Key, Bound] = {}
        self._held: Mapping[int, Sequence[Bound]] | None = None
        self._behind: Mapping[int, frozenset[str]] = {}
        self._stirred: set[Socket] = set()
        self._stir = asyncio.Event()
        self._arrived: dict[Key, tuple[int, int]] = {}
        self._returned: dict[Key, int] = {}
        self._recording = asyncio.Lock()
        self._doubt = asyncio.Event()
        self._decided: tuple[int, datetime] | None = None
        self._is_closing = False

    # What the door of the sockets calls

    @property
    def clock(self) -> Clock:
        """The server's time, by which sockets are judged."""
        return self._clock

    def open(self) -> Socket | None:
        """Return the state of a new socket; None when there is no room or the server is stopping."""
        if self._is_closing or len(self._sockets) >= MOST_SOCKETS:
            return None
        socket = Socket(Conversation(self._clock(), self._limits))
        self._sockets.add(socket)
        return socket

    def gone(self, socket: Socket) -> None:
        """Learn that `socket` is closed: what it held is given back."""
        self.arrived(socket)
        self._sockets.discard(socket)
        self._stirred.discard(socket)
        for key in socket.conversation.bound:
            bound = self._bound.get(key)
            if bound is not None and bound.socket is socket:
                del self._bound[key]
                self._held = None
                self._returned[key] = bound.place.epoch

    def arrived(self, socket: Socket) -> None:
        """Learn that the client has confirmed more, and go on with what it is owed."""
        for key, through in socket.conversation.progress().items():
            bound = self._bound.get(key)
            if bound is not None and bound.socket is socket:
                self._arrived[key] = (bound.place.epoch, through)
        self._stir_up(socket, self._clock())

    async def bind(self, socket: Socket, token: str) -> Close | None:
        """Bind what `token` opens; return why the socket must be closed instead.

        Subscriptions of the token that have ended meanwhile are left out, as long as one is left.
        """
        now = self._clock()
        try:
            rows = await self._scan(binding_rows.FIND, (secret_digest(token), now))
            if not rows:
                return BAD_TOKEN
            # What arrived on a socket that this one takes over from must not be sent again.
            await self.record()
            return await self._bind(socket, binding_rows.found(rows[0]))
        except (Conflict, Unavailable) as problem:
            _log.info("not bound", problem=type(problem).__name__)
            return UNAVAILABLE

    async def _bind(self, socket: Socket, opened: BindingToken) -> Close | None:
        conversation = socket.conversation
        keys = [(opened.holder.tenant, id_) for id_ in sorted(opened.subscriptions)]
        again = [key for key in keys if key in conversation.bound]
        fresh = [key for key in keys if key not in conversation.bound]
        if not conversation.room(len(fresh)):
            return TOO_MANY_BOUND
        taken, refusal = await self._take(socket, fresh, opened.holder)
        if not taken and not again:
            return refusal
        if socket not in self._sockets:
            return GOING_AWAY
        for one in taken:
            older = self._bound.get(one.bound.key)
            if older is not None:
                older.end(TAKEN_OVER)
            self._bound[one.bound.key] = one.bound
            socket.whose = socket.whose or one.bound.owner
            # What the last look found of it was nobody's; and it is held from now on.
            self._behind, self._held = {}, None
            conversation.bind(
                one.bound.key,
                delivered=one.delivered,
                numbered=one.numbered,
                expires=opened.expires,
                heartbeat=one.bound.heartbeat,
                now=self._clock(),
            )
        for key in again:
            conversation.bind_again(key, opened.expires)
        self._stir_up(socket, self._clock())
        return None

    async def _take(
        self, socket: Socket, keys: Sequence[Key], holder: Principal
    ) -> tuple[list[_Taken], Close]:
        """Lease the cursors of `keys`; return them, and the reason in case there are none."""
        taken: list[_Taken] = []
        if not keys:
            return taken, ENDED
        async with self._transactions(holder.tenant) as tx:
            read: list[Bound] = []
            for key in keys:
                resource = await tx.get("Subscription", key[1])
                if resource is not None:
                    bound = self._reading.read(tx, socket, key, resource, holder)
                    read += () if bound is None else (bound,)
            allowed = await self._reading.allowed(tx, read)
            for bound in allowed:
                claim = await socket_rows.take(tx, bound.key[1], LEASE)
                if claim is None or claim.cursor.status != "active":
                    continue
                cursor = claim.cursor
                bound.place = Held(claim.bucket, claim.subscription, cursor.epoch, cursor.revision)
                taken.append(_Taken(bound, cursor.delivered_through, cursor.last_number))
        return taken, NO_ACCESS if read and not allowed else ENDED

    # The loops

    async def run(self, stop: asyncio.Event) -> None:
        """Serve every socket until `stop` is set."""
        async with asyncio.TaskGroup() as tasks:
            for name, seconds, act, wake in (
                ("websocket: look", LOOK_SECONDS, self.look, None),
                ("websocket: make", TICK_SECONDS, self.make, self._stir),
                ("websocket: record", RECORD_SECONDS, self.record, None),
                ("websocket: check", CHECK_SECONDS, self.check, self._doubt),
                ("websocket: renew", RENEW_SECONDS, self.renew, None),
                ("websocket: tick", TICK_SECONDS, self.tick, None),
            ):
                tasks.create_task(periodically(name, seconds, act, stop, wake))

    async def close(self) -> None:
        """Take no more sockets, end all there are, and record what arrived on them."""
        self._is_closing = True
        for socket in tuple(self._sockets):
            socket.end(GOING_AWAY)
        for _ in range(round(_CLOSING_SECONDS / _CLOSING_STEP)):
            if not self._sockets:
                break
            await asyncio.sleep(_CLOSING_STEP)
        try:
            await self.record()
        except (Conflict, Unavailable) as problem:
            _log.warning("not recorded", problem=type(problem).__name__)

    async def look(self) -> None:
        """Find the bound Subscriptions that have more than their socket was sent."""
        if not self._bound:
            return
        if self._decided is not None and self._decided[0] != self._access_epoch():
            self._doubt.set()
        now = self._clock()
        rows = await self._scan(socket_rows.BEHIND, (now,))
        before, self._behind = self._behind, {row[0]: frozenset(row[1].split(",")) for row in rows}
        for tenant, found in self._behind.items():
            for one in found.difference(before.get(tenant, ())):
                subscription, _, number = one.partition(" ")
                bound = self._bound.get((tenant, subscription))
                if bound is not None and bound.socket.conversation.numbered(bound.key, int(number)):
                    self._stir_up(bound.socket, now)

    async def make(self) -> None:
        """Make what the stirred sockets are owed, as far as their lines have room."""
        stirred, self._stirred = self._stirred, set()
        now = self._clock()
        wanted: dict[int, list[tuple[Socket, Want]]] = defaultdict(list)
        for socket in stirred:
            for want in socket.conversation.wants(now, beats=self._is_well()):
                wanted[want.key[0]].append((socket, want))
        try:
            for tenant, several in wanted.items():
                for start in range(0, len(several), _AT_ONCE):
                    await self._make_some(tenant, several[start : start + _AT_ONCE])
        finally:
            for socket, want in (one for several in wanted.values() for one in several):
                # It changes nothing for those that were made.
                socket.conversation.not_made(want.key)
            for socket in stirred & self._sockets:
                self._stir_up(socket, now)

    async def _make_some(self, tenant: int, wanted: Sequence[tuple[Socket, Want]]) -> None:
        current: dict[Bound, Want] = {}
        for socket, want in wanted:
            bound = self._bound.get(want.key)
            if bound is not None and bound.socket is socket:
                current[bound] = want
        try:
            async with self._transactions(tenant) as tx:
                left = await self._reading.follow(tx, tuple(current))
                asked = [(bound, want) for bound, want in current.items() if bound in left]
                made = await frames(tx, self._notifications, asked)
        except (Conflict, Unavailable):
            raise
        except Exception as problem:  # noqa: BLE001 - one Subscription must not stop the others
            _log.error("not made", problem=type(problem).__name__, subscriptions=len(wanted))
            if len(wanted) == 1:
                wanted[0][0].end(UNFIT)
                return
            for one in wanted:
                await self._make_some(tenant, (one,))
            return
        for bound, frame in made:
            if frame is None:
                bound.socket.conversation.nothing_left(bound.key, current[bound].through)
                self.arrived(bound.socket)
            else:
                bound.socket.conversation.queue(frame)
                bound.socket.wake.set()

    async def record(self) -> None:
        """Write down what has arrived, and give back what closed sockets held."""
        async with self._recording:
            arrived, self._arrived = self._arrived, {}
            returned, self._returned = self._returned, {}
            try:
                for tenant in sorted({key[0] for key in (*arrived, *returned)}):
                    await self._record(tenant, arrived, returned)
            except BaseException:
                # Recording again what was recorded changes nothing.
                self._arrived = {**arrived, **self._arrived}
                self._returned = {**returned, **self._returned}
                raise

    async def _record(
        self, tenant: int, arrived: dict[Key, tuple[int, int]], returned: dict[Key, int]
    ) -> None:
        sent = [(key[1], *arrived[key]) for key in sorted(arrived) if key[0] == tenant]
        back = [(key[1], returned[key]) for key in sorted(returned) if key[0] == tenant]
        still: frozenset[str] = frozenset()
        async with self._transactions(tenant) as tx:
            if sent:
                still = await socket_rows.advance(tx, sent)
            if back:
                await socket_rows.give_back(tx, back)
        for subscription, epoch, _ in sent:
            if subscription not in still:
                self._lost((tenant, subscription), epoch)

    async def renew(self) -> None:
        """Keep the leases of everything held here."""
        for tenant, several in self._by_tenant().items():
            held = [Lease(one.key[1], one.place.epoch) for one in several]
            async with self._transactions(tenant) as tx:
                still = await cursor_rows.renew(tx, held, LEASE)
            for one in held:
                if one.subscription not in still:
                    self._lost((tenant, one.subscription), one.epoch)

    async def check(self) -> None:
        """Notice Subscriptions that were edited, ended or taken, and access that was lost."""
        epoch, now = self._access_epoch(), self._clock()
        decided = self._decided
        is_due = decided is None or decided[0] != epoch or now - decided[1] >= DECIDE_EVERY
        for tenant, several in self._by_tenant().items():
            async with self._transactions(tenant) as tx:
                left = await self._reading.follow(tx, several)
                await self._reading.switch_off(tx, tuple(left))
                if is_due:
                    allowed = await self._reading.allowed(tx, tuple(left))
                    for bound in left.difference(allowed):
                        bound.end(NO_ACCESS)
        if is_due:
            self._decided = (epoch, now)

    async def tick(self) -> None:
        """End sockets that are over their time; let the others have their heartbeats."""
        now = self._clock()
        for socket in tuple(self._sockets):
            why = socket.conversation.overdue(now)
            if why is not None:
                socket.end(why)
            else:
                self._stir_up(socket, now)

    # What the loops share

    def _lost(self, key: Key, epoch: int) -> None:
        bound = self._bound.get(key)
        if bound is not None and bound.place.epoch == epoch:
            bound.end(TAKEN_OVER)

    def _stir_up(self, socket: Socket, now: datetime) -> None:
        waits = socket.conversation.is_waiting(now, beats=self._is_well())
        if socket.close is None and waits:
            self._stirred.add(socket)
            self._stir.set()

    def _by_tenant(self) -> Mapping[int, Sequence[Bound]]:
        if self._held is None:
            found: dict[int, list[Bound]] = defaultdict(list)
            for key in sorted(self._bound):
                found[key[0]].append(self._bound[key])
            self._held = found
        return self._held
