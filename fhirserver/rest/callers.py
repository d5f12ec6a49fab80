"""Who holds a bearer token and what they may touch, remembered while nothing changes.

Asking the database twice per request would double the cost of a read. An answer is used while the access epoch, which
every change of what says something about access moves (a CareTeam, a Consent, a token that is revoked), is the one it
was made under, and until one of the times in it comes: somebody removed from a team is out within a second, also when
another process made the change.

Spec: https://www.rfc-editor.org/rfc/rfc6750
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from weakref import WeakValueDictionary

from fhirserver.auth import decide, holds_until, lasting
from fhirserver.kernel.errors import Unauthenticated
from fhirserver.kernel.ports import RecordStore
from fhirserver.kernel.principal import Access
from fhirserver.rest.rate_limits import Limits, Rates

MAX_TOKENS: Final = 10_000
_LONGEST_HEADER: Final = 4096
_LONGEST: Final = lasting.LONGEST.total_seconds()


@dataclass(frozen=True, slots=True)
class _Known:
    access: Access
    epoch: int
    until: datetime
    # Of the clock that nobody sets.
    asked: float


class Callers:
    """Bearer tokens to `Access`. One instance serves one application."""

    def __init__(
        self,
        store: RecordStore,
        *,
        access_epoch: Callable[[], int],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        limits: Limits | None = None,
    ) -> None:
        """`access_epoch` returns the newest epoch this process knows, without waiting.

        `clock` is aware UTC.
        """
        self._store = store
        self._access_epoch = access_epoch
        self._clock = clock
        self._monotonic = monotonic
        self._limits = limits or Limits(Rates(), monotonic)
        # By the header as it came: taking it apart would cost each request as much as all the rest of this.
        self._known: dict[bytes | None, _Known] = {}
        self._asking: WeakValueDictionary[bytes | None, asyncio.Lock] = WeakValueDictionary()

    async def admit(self, authorization: bytes | None, address: str) -> Access:
        """Return the access of the caller at `address`, and count the request.

        Raises `Unauthenticated` like `access`, and `TooManyRequests` for an account, an app or, where
        the token is none that was good lately, an address that asks too often.
        """
        if authorization not in self._known:
            self._limits.stranger(address)
        access = await self.access(authorization)
        self._limits.caller(access)
        return access

    def count(self, access: Access, requests: int) -> None:
        """Count `requests` more of somebody who was admitted. Raises `TooManyRequests`."""
        if requests > 0:
            self._limits.caller(access, requests)

    def admit_stranger(self, address: str) -> None:
        """Count a request that needs no token. Raises `TooManyRequests`."""
        self._limits.stranger(address)

    async def access(self, authorization: bytes | None) -> Access:
        """Return the access of the caller with this Authorization header.

        Raises `Unauthenticated` when it is missing, not a bearer token, or one nobody holds (any
        more).
        """
        known = self._known.get(authorization)
        if known is not None and self._holds(known):
            return known.access
        token = bearer_token(authorization)
        lock = self._asking.get(authorization)
        if lock is None:
            lock = self._asking[authorization] = asyncio.Lock()
        # Many requests of one caller at once ask the store once.
        async with lock:
            known = self._known.get(authorization)
            if known is not None and self._holds(known):
                return known.access
            return await self._ask(authorization, token)

    def _holds(self, known: _Known) -> bool:
        return (
            known.epoch == self._access_epoch()
            and self._monotonic() - known.asked <= _LONGEST
            and self._clock() < known.until
        )

    async def _ask(self, authorization: bytes | None, token: str) -> Access:
        # The epoch is the one of before the question: what changes meanwhile must count as changed.
        epoch, asked = self._access_epoch(), self._monotonic()
        grant = await self._store.grant(token)
        if grant is None:
            self._known.pop(authorization, None)
            message = "The bearer token is unknown, expired or revoked."
            raise Unauthenticated(message)
        relations = await self._store.relations(grant.principal)
        now = self._clock()
        access = decide(grant.principal, relations, now, grant)
        known = _Known(access, epoch, holds_until(relations, now, grant), asked)
        self._remember(authorization, known)
        return access

    def _remember(self, authorization: bytes | None, known: _Known) -> None:
        if len(self._known) >= MAX_TOKENS:
            now = self._clock()
            old = [key for key, one in self._known.items() if now >= one.until]
            for key in old:
                del self._known[key]
            if len(self._known) >= MAX_TOKENS:
                self._known.clear()
        self._known[authorization] = known


def bearer_token(authorization: bytes | None) -> str:
    """Return the token of an Authorization header. Raises `Unauthenticated` when there is none."""
    if authorization is None:
        message = "This needs an Authorization header with a bearer token."
        raise Unauthenticated(message)
    # No longer one is kept either, whatever spaces it has.
    is_short = len(authorization) <= _LONGEST_HEADER
    scheme, _, token = authorization[:_LONGEST_HEADER].decode("latin-1").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or not is_short:
        message = "The Authorization header must be: Bearer <token>."
        raise Unauthenticated(message)
    return token
