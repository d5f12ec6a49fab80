"""How often one caller may ask, so that nobody takes the server from the others.

Each caller has a bucket that holds a minute's worth of requests and fills up evenly: all at once or
spread, but no more than that. What is counted stays in this process, because a place shared by all
of them would cost every request a round trip: with N processes that answer, a caller gets up to N
times the rate. The way of an alarm has allowances of its own that only a flood reaches.

Spec: https://www.rfc-editor.org/rfc/rfc6585#section-4
"""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from fhirserver.kernel.errors import TooManyRequests
from fhirserver.kernel.principal import Access

WINDOW_S: Final = 60.0
MOST_CALLERS: Final = 100_000
# The half of an IPv6 address that its owner chooses freely.
_HOST_BITS: Final = 64
_UNKNOWN: Final = ""


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a minute; 0 for any number.

    `account`: of one who shows a token. `client`: of one registered app, whoever uses it.
    `strangers`: from one address without a token known to be good. `sign_in`: attempts to sign in
    from one address. `alarms`: from one address, on the way of an alarm.
    """

    account: int = 0
    client: int = 0
    strangers: int = 0
    sign_in: int = 0
    alarms: int = 0


class Allowance:
    """A bucket for each of many callers, all of one size."""

    def __init__(self, a_minute: int, monotonic: Callable[[], float]) -> None:
        """Allow `a_minute` requests; 0 allows all."""
        self._step = WINDOW_S / a_minute if a_minute else 0.0
        self._monotonic = monotonic
        # When the caller's bucket will be full again; who is not here has a full one.
        self._full_at: dict[Hashable, float] = {}

    def wait(self, who: Hashable, requests: int = 1) -> int:
        """Take `requests` of `who`; return 0, or after how many seconds they would be taken.

        Many at once cost half a bucket at most: nobody who asks for other things as well has a whole one left.
        """
        if not self._step:
            return 0
        step = self._step if requests == 1 else min(self._step * requests, WINDOW_S / 2)
        now = self._monotonic()
        full_at = self._full_at.get(who, now)
        full_at = max(now, full_at) + step
        if full_at - now > WINDOW_S:
            # Asked again, several come with a request that is counted by itself before.
            again = self._step if requests > 1 else 0.0
            return math.ceil(full_at - now - WINDOW_S + again)
        if len(self._full_at) >= MOST_CALLERS and who not in self._full_at:
            self._forget(now)
        self._full_at[who] = full_at
        return 0

    def _forget(self, now: float) -> None:
        """Drop full buckets; where most callers are busy drop all, rather than look at each again and again."""
        self._full_at = {who: full_at for who, full_at in self._full_at.items() if full_at > now}
        if len(self._full_at) > MOST_CALLERS * 3 // 4:
            self._full_at = {}


class Limits:
    """The allowances of one application."""

    def __init__(self, rates: Rates, monotonic: Callable[[], float]) -> None:
        """Start with full buckets; `monotonic` returns seconds."""
        self._accounts = Allowance(rates.account, monotonic)
        self._clients = Allowance(rates.client, monotonic)
        self._strangers = Allowance(rates.strangers, monotonic)
        self._sign_in = Allowance(rates.sign_in, monotonic)
        self._alarms = Allowance(rates.alarms, monotonic)

    def caller(self, access: Access, requests: int = 1) -> None:
        """Count `requests` of somebody known, 1 or more. Raises `TooManyRequests`."""
        one = access.principal
        who = access.account or (one.tenant, one.kind, one.reference)
        _refuse(self._accounts.wait(who, requests), "this account")
        if access.client is not None:
            of_client = (one.tenant, access.client)
            _refuse(self._clients.wait(of_client, requests), "this app")

    def stranger(self, address: str) -> None:
        """Count a request of somebody unknown. Raises `TooManyRequests`."""
        _refuse(self._strangers.wait(_household(address)), "this address")

    def sign_in(self, address: str) -> None:
        """Count an attempt to sign in. Raises `TooManyRequests`."""
        _refuse(self._sign_in.wait(_household(address)), "this address")

    def alarms(self, address: str) -> None:
        """Count a request on the way of an alarm. Raises `TooManyRequests`."""
        _refuse(self._alarms.wait(_household(address)), "this address")


def _refuse(seconds: int, who: str) -> None:
    if seconds:
        message = f"Too many requests of {who}: ask again in {seconds} s."
        raise TooManyRequests(message, retry_after=seconds)


def _household(address: str) -> str:
    """Return what one caller can hardly change: an IPv4 address, the network of an IPv6 address."""
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return _UNKNOWN
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(int(parsed) >> _HOST_BITS)
