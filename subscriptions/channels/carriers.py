"""Hands one message to one telephone company, in bounded time, and remembers who has just failed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from subscriptions.channels.sendings import Sending
from subscriptions.channels.telephony import TelephoneCompany, Unavailable
from subscriptions.core.timing import Medium

# Longer than a company that works ever takes; shorter than a person in danger can spare. Where
# another company can be asked, a PH page waits less.
SEND_SECONDS: Final = 5.0
LOOK_UP_SECONDS: Final = 3.0
_HURRY: Final = 0.5
# Who fails is asked last for so long, twice as long after each further failure.
REST_SECONDS: Final = 30.0
LONGEST_REST_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class _Rest:
    until: float
    times: int


class Carriers:
    """The companies, preferred first. `seconds` is a clock that only ever goes forward."""

    def __init__(
        self,
        companies: Sequence[TelephoneCompany],
        seconds: Callable[[], float],
        *,
        send_seconds: float = SEND_SECONDS,
        look_up_seconds: float = LOOK_UP_SECONDS,
    ) -> None:
        """Serve `companies`, whose names differ."""
        self._companies = {company.name: company for company in companies}
        self._seconds = seconds
        self._send_seconds = send_seconds
        self._look_up_seconds = look_up_seconds
        self._rests: dict[str, _Rest] = {}

    def carrying(self, medium: Medium) -> tuple[str, ...]:
        """Return the names of those that carry `medium`, preferred first."""
        return tuple(name for name, company in self._companies.items() if medium in company.carries)

    def resting(self) -> frozenset[str]:
        """Return those that failed with something a moment ago."""
        now = self._seconds()
        return frozenset(name for name, rest in self._rests.items() if now < rest.until)

    async def hand_over(self, sending: Sending) -> str:
        """Send, and return the company's id for it. Raises `Refused` and `Unavailable`."""
        company = self._company(sending)
        try:
            async with asyncio.timeout(self._send_seconds * self._share(sending)):
                if sending.medium == "sms":
                    reference = await company.text(sending.to, sending.text, sending.callback)
                else:
                    reference = await company.call(sending.to, sending.text, sending.callback)
        except TimeoutError as problem:
            self._let_rest(company)
            raise Unavailable("no answer in time", ambiguous=True) from problem
        except Unavailable:
            self._let_rest(company)
            raise
        self._rests.pop(company.name, None)
        return reference

    async def look_up(self, sending: Sending) -> str | None:
        """Return the id under which the company took it, None when it did not.

        Raises `Unavailable` when it cannot say.
        """
        company = self._company(sending)
        try:
            async with asyncio.timeout(self._look_up_seconds * self._share(sending)):
                if sending.medium == "sms":
                    return await company.find_text(sending.to, sending.text, sending.started)
                return await company.find_call(sending.to, sending.started)
        except TimeoutError as problem:
            raise Unavailable("no answer in time", ambiguous=False) from problem

    def _let_rest(self, company: TelephoneCompany) -> None:
        now, before = self._seconds(), self._rests.get(company.name)
        if before is not None and now < before.until:
            return  # what failed beside it is the same failure
        times = 1 if before is None else before.times + 1
        seconds = min(REST_SECONDS * 2 ** (times - 1), LONGEST_REST_SECONDS)
        self._rests[company.name] = _Rest(now + seconds, times)

    def _share(self, sending: Sending) -> float:
        """Return how much of the usual patience there is."""
        others = len(self.carrying(sending.medium)) > 1
        return _HURRY if others and sending.urgency == "PH" else 1.0

    def _company(self, sending: Sending) -> TelephoneCompany:
        company = self._companies.get(sending.company)
        if company is None:
            raise Unavailable("no longer a company of ours", ambiguous=False)
        return company
