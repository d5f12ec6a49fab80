"""What the telephone channel needs from a telephone company."""

from datetime import datetime
from typing import Protocol


class Refused(Exception):
    """The company will not carry this message; trying again would not help. `code` is its error."""

    def __init__(self, code: str) -> None:
        """Carry the company's error code ("" when it gave none)."""
        super().__init__(f"refused with error {code or 'unknown'}")
        self.code = code


class Unavailable(Exception):
    """The company could not be asked, or did not answer as it should; it may have taken it."""


class Telephony(Protocol):
    """A company that carries text messages and calls. All methods raise `Unavailable`."""

    async def text(self, to: str, body: str, callback: str) -> str:
        """Send a text message and return the company's id for it. Raises `Refused`."""

    async def call(self, to: str, document: str, callback: str) -> str:
        """Place a call that follows `document` (TwiML) and return its id. Raises `Refused`."""

    async def find_text(self, to: str, body: str, since: datetime) -> str | None:
        """Return the id of a message with this text taken since then, None when there is none."""

    async def find_call(self, to: str, since: datetime) -> str | None:
        """Return the id of a call to this number placed since then, None when there is none."""
