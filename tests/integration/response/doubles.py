"""Those outside, in memory: the telephone company, a client's endpoint and the access decision."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Grant, Principal
from fhirserver.kernel.resource import Stored
from subscriptions.channels.egress import Answer
from subscriptions.channels.telephony import Inbound, Refused, Unavailable
from subscriptions.core.receipt import cause_of
from subscriptions.core.reply_code import ALPHABET
from subscriptions.core.timing import Medium


@dataclass
class Sent:
    """What the company was asked to carry."""

    medium: str
    to: str
    text: str
    callback: str
    at: datetime
    sid: str

    @property
    def code(self) -> str:
        words = self.text.replace(":", " ").split()
        return next(w for w in words if len(w) == 4 and all(c in ALPHABET for c in w))

    @property
    def attempt(self) -> UUID:
        return UUID(self.callback.rpartition("=")[2])


@dataclass
class Company:
    """A telephone company: remembers, and fails when told to."""

    now: Any
    name: str = "first"
    carries: frozenset[Medium] = frozenset(("sms", "voice"))
    sent: list[Sent] = field(default_factory=list)
    down: bool = False
    down_after_accepting: bool = False
    refuse: dict[str, str] = field(default_factory=dict)
    cannot_look_up: bool = False

    async def text(self, to: str, body: str, callback: str) -> str:
        return self._take("sms", to, body, callback)

    async def call(self, to: str, document: str, callback: str) -> str:
        return self._take("voice", to, document, callback)

    async def serve(self, inbound: Inbound, stop: asyncio.Event) -> None:
        """It keeps no line open."""

    async def close(self) -> None:
        """Nothing is open."""

    async def find_text(self, to: str, body: str, since: datetime) -> str | None:
        return self._find("sms", to, since, body)

    async def find_call(self, to: str, since: datetime) -> str | None:
        return self._find("voice", to, since, None)

    def _take(self, medium: str, to: str, text: str, callback: str) -> str:
        if self.down:
            raise Unavailable("down", ambiguous=False)
        if to in self.refuse:
            cause = cause_of(self.refuse[to])
            assert cause is not None
            raise Refused(cause)
        sid = f"{medium}{len(self.sent)}"
        self.sent.append(Sent(medium, to, text, callback, self.now(), sid))
        if self.down_after_accepting:
            raise Unavailable("answered 500", ambiguous=True)
        return sid

    def _find(self, medium: str, to: str, since: datetime, text: str | None) -> str | None:
        if self.down or self.cannot_look_up:
            raise Unavailable("down", ambiguous=False)
        return next(
            (
                s.sid
                for s in self.sent
                if s.medium == medium
                and s.to == to
                and s.at >= since
                and (text is None or s.text == text)
            ),
            None,
        )


@dataclass
class Receiver:
    """An endpoint of a client's Subscription."""

    now: Any
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)

    async def post(
        self, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout_seconds: float
    ) -> Answer:
        if url in self.failing:
            return Answer(500)
        self.got.append((url, dict(headers), body))
        return Answer(200)


class Eyes:
    """The access decision: everybody sees everything but what is hidden, or nobody anything."""

    def __init__(self) -> None:
        self.hidden: set[str] = set()
        self.blind = False
        self.asked: list[Principal] = []

    async def access(self, tx: Transaction, owner: Grant) -> Access:
        return (await self.accesses(tx, [owner]))[owner]

    async def accesses(self, tx: Transaction, owners: Collection[Grant]) -> Mapping[Grant, Access]:
        self.asked += [owner.principal for owner in owners]
        return {owner: Access(owner.principal, everything=not self.blind) for owner in owners}

    def sees(self, access: Access, stored: Stored) -> bool:
        hidden = f"{stored.type}/{stored.id}" in self.hidden
        return access.everything and not stored.deleted and not hidden
