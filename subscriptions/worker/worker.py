"""The worker of one process: the loops of its roles, until it is told to stop.

Role ``engine`` runs timers, numbering, retention, ends and what other parts want done each second; role
``deliver`` sends. Each may run in any number of processes: work is claimed, never owned.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from subscriptions.channels.channel import Channel
from subscriptions.channels.managed import ManagedChannel
from subscriptions.core.timing import BEAT
from subscriptions.response.response import Response
from subscriptions.worker.delivery import Delivery
from subscriptions.worker.ending import Ending
from subscriptions.worker.pace import periodically
from subscriptions.worker.parcels import Parcels
from subscriptions.worker.ports import EverySecond, Surroundings
from subscriptions.worker.retention import Retention
from subscriptions.worker.sequencer import Sequencer
from subscriptions.worker.timers import Timers

ALERT_LANE_SECONDS: Final = 0.04
TIMER_SECONDS: Final = 0.05
RETENTION_SECONDS: Final = 60.0
ENDING_SECONDS: Final = 20.0


class Worker:
    """All loops of one process."""

    def __init__(
        self,
        *,
        response: Response,
        channels: Mapping[str, Channel],
        managed: Mapping[str, ManagedChannel[Any]],
        parcels: Parcels,
        around: Surroundings,
        every_second: Sequence[EverySecond] = (),
    ) -> None:
        """Wire the loops; `channels` of clients and `managed` ones by their codes."""
        transactions, scan, clock = around.transactions, around.scan, around.clock
        self._due = asyncio.Event()
        self.timers = Timers(response=response, transactions=transactions, scan=scan, clock=clock)
        self.sequencer = Sequencer(transactions=transactions, scan=scan, numbered=self._due)
        self.delivery = Delivery(
            channels=channels,
            managed=managed,
            parcels=parcels,
            around=around,
            due=self._due,
        )
        self.retention = Retention(transactions=transactions, scan=scan, clock=clock)
        self.ending = Ending(transactions=transactions, scan=scan, clock=clock)
        self._every_second = tuple(every_second)

    async def run(self, roles: Collection[str], stop: asyncio.Event) -> None:
        """Run the loops of `roles` until `stop` is set, then finish what is being sent."""
        landed = asyncio.Event()
        async with asyncio.TaskGroup() as beating:
            async with asyncio.TaskGroup() as tasks:
                if "engine" in roles:
                    self._start_engine(tasks, stop)
                if "deliver" in roles:
                    self._start_delivery(tasks, stop)
                    # Leases are kept until the last of what is being sent has been recorded.
                    beating.create_task(
                        periodically("beat", BEAT.total_seconds(), self.delivery.beat, landed)
                    )
            landed.set()

    def _start_delivery(self, tasks: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        async def deliver() -> None:
            await self.delivery.start_due(tasks)

        async def until_stopped() -> None:
            await periodically("deliver", ALERT_LANE_SECONDS, deliver, stop, self._due)
            await self.delivery.land()

        tasks.create_task(until_stopped())

    def _start_engine(self, tasks: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        loops = [
            ("timers", TIMER_SECONDS, self.timers.run_due),
            ("sequencer", ALERT_LANE_SECONDS, self.sequencer.run_due),
            ("retention", RETENTION_SECONDS, self.retention.run_due),
            ("ending", ENDING_SECONDS, self.ending.run_due),
            *((f"second {i}", 1.0, act) for i, act in enumerate(self._every_second)),
        ]
        for name, seconds, act in loops:
            tasks.create_task(periodically(name, seconds, act, stop))
