"""What the telephone channel needs from a telephone company, and what a company tells us."""

import asyncio
from datetime import datetime
from typing import Protocol

from subscriptions.core.receipt import Cause
from subscriptions.core.timing import Medium


class Refused(Exception):
    """The person cannot be reached at this number, by any company; `cause` says why."""

    def __init__(self, cause: Cause) -> None:
        """Carry what the company said about the number."""
        super().__init__(f"refused: {cause}")
        self.cause: Cause = cause


class Unavailable(Exception):
    """The company did not take it. `ambiguous`: it may have, it did not say."""

    def __init__(self, reason: str, *, ambiguous: bool) -> None:
        """Carry why, in words that name nobody."""
        super().__init__(reason)
        self.ambiguous = ambiguous


class Inbound(Protocol):
    """Our side, for companies that keep a line open to us instead of calling webhooks."""

    async def message(self, sender: str, body: str) -> str:
        """Act on a person's text message and return the answer to it, "" for none.

        Returns after the commit. The same answer delivered again within a minute acts once.
        """

    async def report(self, company: str, reference: str, status: str) -> bool:
        """Record what became of the message `reference`; False while nobody knows that reference."""


class TelephoneCompany(Protocol):
    """A company that carries text messages, calls or both.

    Sending raises `Refused` and `Unavailable`, looking up raises `Unavailable`.
    """

    @property
    def name(self) -> str:
        """Return what it is called in rows and log lines."""

    @property
    def carries(self) -> frozenset[Medium]:
        """Return what it carries."""

    async def text(self, to: str, body: str, callback: str) -> str:
        """Send a text message and return the company's id for it; reports go to `callback`."""

    async def call(self, to: str, document: str, callback: str) -> str:
        """Place a call that follows `document` (TwiML) and return its id."""

    async def find_text(self, to: str, body: str, since: datetime) -> str | None:
        """Return the id of a message with this text taken since then, None when there is none."""

    async def find_call(self, to: str, since: datetime) -> str | None:
        """Return the id of a call to this number placed since then, None when there is none."""

    async def serve(self, inbound: Inbound, stop: asyncio.Event) -> None:
        """Keep whatever line it needs open until `stop` is set."""

    async def close(self) -> None:
        """Close what is open."""
