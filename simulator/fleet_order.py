"""An order for many machines at a running server, and the part of it one process does. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from simulator.devices.identity import Identity, cuff, gateway, machine
from simulator.transports.connection import Credential

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FleetOrder:
    """How many machines at which rate (messages/s of each), for how long, and what happens when.

    `per_gateway` devices share a connection; 0 gives each its own. Treatments start spread over
    `start_within_s`, connections over `connect_within_s`. `scenarios` are taken in turn by the `affected` homes.
    """

    devices: int
    rate: float = 1.0
    seconds: float | None = None
    per_gateway: int = 0
    processes: int = 1
    start_within_s: float = 0.0
    connect_within_s: float = 0.0
    scenarios: tuple[str, ...] = ("clean",)
    scenario_after_s: float = 30.0
    affected: int = 0
    scale: float = 1.0
    cuff_every_s: float = 0.0
    seed: int = 1

    @property
    def names(self) -> list[str]:
        """The homes' names."""
        return [f"home{index:05d}" for index in range(self.devices)]

    def hardware(self, name: str) -> list[Identity]:
        """Return the devices of the home `name`."""
        chosen = [machine(name, interval_s=1.0 / self.rate)]
        if self.cuff_every_s > 0:
            chosen.append(cuff(name, interval_s=self.cuff_every_s))
        return chosen

    def scenario_of(self, index: int) -> str | None:
        """Return what happens in the home number `index`, None for nothing."""
        if index >= self.affected:
            return None
        return self.scenarios[index % len(self.scenarios)]


@dataclass(frozen=True, slots=True)
class Share:
    """What one connection carries: homes behind a gateway's credential, or one device of its own.

    `homes` are (number, name); `credential` None: each device has its own in `own`, by EUI-64.
    """

    homes: tuple[tuple[int, str], ...]
    credential: Credential | None
    own: dict[str, Credential]


@dataclass(frozen=True, slots=True)
class Part:
    """What one process does."""

    broker: str
    order: FleetOrder
    shares: tuple[Share, ...]

    def written(self) -> Json:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def read(cls, body: Json) -> Self:
        """Return what `written` made."""
        order = body["order"] | {"scenarios": tuple(body["order"]["scenarios"])}
        shares = tuple(
            Share(
                tuple((index, name) for index, name in share["homes"]),
                None if share["credential"] is None else Credential(**share["credential"]),
                {address: Credential(**own) for address, own in share["own"].items()},
            )
            for share in body["shares"]
        )
        return cls(body["broker"], FleetOrder(**order), shares)


def gateways(order: FleetOrder) -> list[tuple[Identity | None, tuple[tuple[int, str], ...]]]:
    """Return the homes (number, name) that share a connection, with their gateway if any."""
    numbered = list(enumerate(order.names))
    if order.per_gateway <= 0:
        return [(None, (one,)) for one in numbered]
    groups = [
        tuple(numbered[first : first + order.per_gateway])
        for first in range(0, len(numbered), order.per_gateway)
    ]
    return [(gateway(f"gateway{index:04d}"), group) for index, group in enumerate(groups)]


def dealt(broker: str, order: FleetOrder, shares: Sequence[Share]) -> list[Part]:
    """Return the parts of `order.processes` processes, connections dealt in turn."""
    parts = [shares[index :: order.processes] for index in range(order.processes)]
    return [Part(broker, order, tuple(part)) for part in parts if part]


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of every message of a process so far; tallies add up."""

    devices: int = 0
    connected: int = 0
    connections: int = 0
    said: int = 0
    acknowledged: int = 0
    rejected: int = 0
    waiting: int = 0
    resent: int = 0
    lost: int = 0
    skipped: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        mine, theirs = asdict(self), asdict(other)
        return Tally(**{name: mine[name] + theirs[name] for name in mine})

    @property
    def line(self) -> str:
        """In one line."""
        return (
            f"{self.connected}/{self.devices} devices on {self.connections} connections, "
            f"{self.acknowledged} acknowledged, {self.rejected} rejected, {self.waiting} waiting, "
            f"{self.resent} sent again, {self.lost} lost by overflow, {self.skipped} s left out"
        )
