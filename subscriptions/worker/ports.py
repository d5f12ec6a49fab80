"""What the worker needs from the store and the process it runs in."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, Protocol

from fhirserver.kernel.ports import Transaction


class Transactions(Protocol):
    """Opens write transactions."""

    def __call__(self, tenant: int) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction of `tenant`; leaving the block commits, an exception rolls back."""


class Scan(Protocol):
    """Reads due rows of every tenant, without a transaction and without locks (fhir_worker)."""

    async def __call__(self, sql: LiteralString, args: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one SELECT and return its rows."""


class Clock(Protocol):
    """The server's time."""

    def __call__(self) -> datetime:
        """Return now (aware, UTC)."""


class EverySecond(Protocol):
    """Something another part wants done each second, such as the scan for silent devices."""

    def __call__(self) -> Awaitable[None]:
        """Do it once."""


class Settled(Protocol):
    """Is told that a delivery is over."""

    def __call__(self, tenant: int, subscription: str, *, more: bool) -> None:
        """Note that a Subscription is not being delivered any more; `more`: it is due again already."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every loop needs of its process. `draw` returns a random number in [0, 1).

    `is_well` says whether alarms work as far as this process knows.
    """

    transactions: Transactions
    scan: Scan
    clock: Clock
    draw: Callable[[], float]
    is_well: Callable[[], bool]
