"""Which sockets of this process have whose chart open, and telling them who else has.

What another process holds is learned from rows that live half a minute (`subscriptions.store.presence_rows`).
Who may not read the patient is told nothing, and nobody is told of them: the answer is the one of a
chart that nobody else has open.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fhirserver.auth import may
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Grant
from subscriptions.channels.bound import Socket
from subscriptions.core.presence import PRESENT_FOR, RENEWED_EVERY, Look, told
from subscriptions.core.websocket_binding import NOT_BOUND, Close
from subscriptions.response.ports import Visibility
from subscriptions.store import presence_rows
from subscriptions.store.presence_rows import Chart
from subscriptions.worker.pace import periodically
from subscriptions.worker.ports import Clock, Scan, Transactions

LOOK_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Open:
    """A chart a socket has open. `renewed` None: its row is not written yet; `told`: what its client knows."""

    id: UUID
    whose: Grant
    chart: Chart
    renewed: datetime | None = None
    told: str | None = None
    is_allowed: bool = False

    @property
    def viewer(self) -> str:
        return self.whose.principal.reference


class Presences:
    """The open charts of this process. One instance serves one application."""

    def __init__(
        self,
        *,
        transactions: Transactions,
        scan: Scan,
        clock: Clock,
        visibility: Visibility,
        access_epoch: Callable[[], int],
        new_id: Callable[[], UUID],
    ) -> None:
        """Work through `transactions`; `access_epoch` returns the newest one known."""
        self._transactions = transactions
        self._scan = scan
        self._clock = clock
        self._visibility = visibility
        self._access_epoch = access_epoch
        self._new_id = new_id
        self._open: dict[Socket, _Open] = {}
        self._closed: dict[int, set[UUID]] = defaultdict(set)
        self._stir = asyncio.Event()
        self._decided: int | None = None

    def look(self, socket: Socket, meant: Look) -> Close | None:
        """Note which chart `socket` has open now; return why it must be closed instead."""
        if socket.whose is None:
            return NOT_BOUND
        self.gone(socket)
        if meant.patient is not None:
            chart = Chart(socket.whose.principal.tenant, meant.patient)
            self._open[socket] = _Open(self._new_id(), socket.whose, chart)
            self._stir.set()
        return None

    def gone(self, socket: Socket) -> None:
        """Learn that `socket` is closed, or has no chart open any more."""
        before = self._open.pop(socket, None)
        if before is not None:
            self._closed[before.chart.tenant].add(before.id)
            self._stir.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve every socket until `stop` is set."""
        await periodically("websocket: presence", LOOK_SECONDS, self.tell, stop, self._stir)

    async def tell(self) -> None:
        """Write down who looks at what, and tell each client what it does not know yet."""
        await self._forget()
        await self._keep()
        if not self._open:
            return
        now = self._clock()
        charts = sorted({one.chart for one in self._open.values()})
        found = await presence_rows.viewers(self._scan, charts, now)
        for socket, one in self._open.items():
            everybody = found.get(one.chart, frozenset()) if one.is_allowed else frozenset[str]()
            text = told(one.chart.patient, everybody - {one.viewer})
            if text != one.told:
                socket.note = one.told = text
                socket.wake.set()

    async def _forget(self) -> None:
        for tenant, sockets in list(self._closed.items()):
            async with self._transactions(tenant) as tx:
                await presence_rows.drop(tx, sockets)
            del self._closed[tenant]

    async def _keep(self) -> None:
        """Write what is new and renew what is due, as far as whoever looks may still do so."""
        epoch, now = self._access_epoch(), self._clock()
        is_due = epoch != self._decided
        due: dict[int, list[_Open]] = defaultdict(list)
        for one in self._open.values():
            if is_due or one.renewed is None or now - one.renewed >= RENEWED_EVERY:
                due[one.chart.tenant].append(one)
        for tenant, several in due.items():
            async with self._transactions(tenant) as tx:
                await self._decide(tx, several)
                opened = {one.id: (one.viewer, one.chart.patient) for one in several if _shown(one)}
                if opened:
                    await presence_rows.keep(tx, opened, tx.now + PRESENT_FOR)
                hidden = {one.id for one in several if not one.is_allowed and one.renewed}
                if hidden:
                    await presence_rows.drop(tx, hidden)
            for one in several:
                one.renewed = now
        self._decided = epoch

    async def _decide(self, tx: Transaction, several: Iterable[_Open]) -> None:
        accesses = await self._visibility.accesses(tx, {one.whose for one in several})
        for one in several:
            one.is_allowed = _reads(accesses[one.whose], one.chart.patient)


def _shown(one: _Open) -> bool:
    """Return whether others are told of it: of people, not of programs."""
    return one.is_allowed and bool(one.viewer)


def _reads(access: Access, patient: str) -> bool:
    kind = belongs_to("Patient").kind
    return access.everything or may(access, "read", "Patient", frozenset({patient}), kind)
