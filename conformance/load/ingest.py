"""The load itself: devices publish, the server acknowledges, telephones ring, everything is timed.

An *observation* is one FHIR Observation: one quantity at one time (a blood pressure is one). It
counts as committed when the server's own acknowledgement arrived, which it sends after its commit.
With a rate the loop is open: messages leave on schedule whatever the server does. With rate 0 it is
closed: every device keeps `window` messages unacknowledged, which shows what the server can do.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from conformance.history import Violation
from conformance.load import homes as setup
from conformance.load import processes, verify
from conformance.load.device import Device, Habits
from conformance.load.homes import SetupError
from conformance.load.household import Household
from conformance.load.messages import FALLEN, GOAL_MET, VENOUS_ACCESS
from conformance.load.outbox import Kept
from conformance.load.percentiles import Spread, spread
from conformance.load.phone_log import PhoneLog
from conformance.load.plan import Plan, Target
from conformance.load.processes import OTHERS, OURSELVES, Meter, Usage
from conformance.load.tally import Tally
from conformance.record import Record

CONNECT_SECONDS: Final = 90.0
WARM_SECONDS: Final = 90.0
TICK_SECONDS: Final = 0.004
_CONNECTS_AT_ONCE: Final = 25
_MOST_A_TICK: Final = 200


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it. Rates are of the publishing stage; `lost` is what never was acknowledged."""

    seconds: float
    sent_messages: int
    sent_observations: int
    committed_messages: int
    committed_observations: int
    settled_s: float
    lost_messages: int
    rejected_messages: int
    repeated_messages: int
    reconnections: int
    bad_acknowledgements: int
    latency: Spread
    breaches: int
    told: int
    breach_latency: Spread
    verified_patients: int
    violations: tuple[Violation, ...]
    usage: dict[str, Usage]
    stored_in_run: int

    @property
    def observations_per_s(self) -> float:
        """Committed observations a second until the last acknowledgement."""
        return self.committed_observations / self.settled_s

    @property
    def messages_per_s(self) -> float:
        """Committed messages a second until the last acknowledgement."""
        return self.committed_messages / self.settled_s

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, nothing is wrong, and everybody was told."""
        wrong = self.lost_messages or self.bad_acknowledgements or self.violations
        return not wrong and self.told == self.breaches


@dataclass(slots=True)
class _Trouble:
    """A patient in trouble: when it was published (Unix seconds) and when the telephone heard."""

    telephone: str
    published: float
    heard: float | None = None


@dataclass(slots=True)
class Load:
    """One run of `plan` against `target`; `say` prints a line."""

    plan: Plan
    target: Target
    say: Callable[[str], object]
    run_id: str = field(default_factory=lambda: secrets.token_hex(4))
    _tally: Tally = field(default_factory=Tally, init=False)
    _devices: list[Device] = field(default_factory=list, init=False)
    _homes: list[Household] = field(default_factory=list, init=False)
    _troubles: list[_Trouble] = field(default_factory=list, init=False)
    _sent: int = field(default=0, init=False)
    _sent_observations: int = field(default=0, init=False)
    _repeated: int = field(default=0, init=False)

    async def run(self) -> Result:
        """Set up, publish, drain, read back; raises SetupError, Refusal, httpx.HTTPError."""
        target = self.target
        limits = httpx.Limits(max_connections=setup.CONCURRENT * 2)
        async with httpx.AsyncClient(timeout=60.0, limits=limits, trust_env=False) as http:
            record = Record(http, target.base, target.token)
            phones = None if target.phone is None else PhoneLog(http, target.phone)
            await self._settle(record, phones)
            connected: list[asyncio.Future[None]] = []
            try:
                await self._connect(connected)
                await self._warm_up()
                return await self._measure(record, phones)
            finally:
                for task in connected:
                    task.cancel()
                await asyncio.gather(*connected, return_exceptions=True)
                self.say(f"run {self.run_id}: {len(connected)} devices disconnected")

    # Before

    async def _settle(self, record: Record, phones: PhoneLog | None) -> None:
        plan = self.plan
        self._homes = [Household(self.run_id, number) for number in range(plan.devices)]
        self.say(f"run {self.run_id}: writing {plan.devices} patients and machines")

        def told(done: int) -> None:
            if done % 100 == 0 and done < plan.devices:
                self.say(f"  {done} homes")

        credentials = await setup.settle(record, self._homes, told)
        if plan.breaches:
            if phones is None:
                raise SetupError("breaches need a telephone company: --phone URL")
            self.say(f"  {plan.breaches} people prove their telephone numbers")
            tenant = credentials[0].tenant
            troubled = self._homes[: plan.breaches]
            await setup.reach(record, phones, troubled, self.target.webhook(tenant))
        boot = secrets.token_hex(4)
        self._devices = [
            Device(
                self.target.mqtt,
                credentials[home.number],
                boot,
                home.patient,
                self._tally,
                Habits(plan.values, plan.samples),
            )
            for home in self._homes
        ]

    async def _connect(self, connected: list[asyncio.Future[None]]) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                for at in range(0, len(self._devices), _CONNECTS_AT_ONCE):
                    some = self._devices[at : at + _CONNECTS_AT_ONCE]
                    connected += [asyncio.ensure_future(device.run()) for device in some]
                    await asyncio.gather(*(device.ready.wait() for device in some))
        except TimeoutError:
            missing = [device for device in self._devices if not device.ready.is_set()]
            reasons = {device.last_refusal for device in missing if device.last_refusal}
            raise SetupError(
                f"{len(missing)} of {len(self._devices)} devices could not connect to "
                f"{self.target.mqtt[0]}:{self.target.mqtt[1]} in {CONNECT_SECONDS:.0f} s: "
                f"{'; '.join(sorted(reasons)[:3]) or 'no answer'}"
            ) from None

    async def _warm_up(self) -> None:
        """One event and one message of every device, acknowledged: births and templates are in."""
        for device in self._devices:
            device.alarm(GOAL_MET, "PI")
            device.measure()
        if await self._drain(WARM_SECONDS):
            raise SetupError(f"the first messages were not acknowledged in {WARM_SECONDS:.0f} s")
        self.say(f"  {len(self._devices)} devices are connected and were acknowledged")

    # The measured stage

    async def _measure(self, record: Record, phones: PhoneLog | None) -> Result:
        plan = self.plan
        meter = None if self.target.pid is None else Meter(self.target.pid)
        if meter is not None:
            meter.start()
        self._tally.start()
        own, machine = time.process_time(), processes.machine_cpu_s()
        begun = time.monotonic()
        watching = asyncio.ensure_future(self._watch(begun, meter, phones))
        troubling = asyncio.ensure_future(self._get_into_trouble())
        try:
            await (self._publish_on_schedule(begun) if plan.rate else self._publish_at_will(begun))
            published_s = time.monotonic() - begun
            await troubling
            lost = await self._drain(plan.drain_s)
            if phones is not None:
                await self._wait_for_telephones(phones)
        finally:
            for task in (watching, troubling):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        usage = {} if meter is None else meter.usage()
        usage[OURSELVES] = processes.NOTHING.using(time.process_time() - own)
        if meter is not None:
            known = sum(one.cpu_s for one in usage.values())
            others = processes.machine_cpu_s() - machine - known
            usage[OTHERS] = processes.NOTHING.using(max(0.0, others))
        settled_s = max(published_s, self._tally.last_at - begun)
        figures = self._tally.messages, self._tally.observations
        latencies = spread(self._tally.latencies)
        rejected = self._tally.rejected
        await self._go_quiet()
        violations = await self._verify(record)
        heard = [one.heard - one.published for one in self._troubles if one.heard is not None]
        return Result(
            seconds=published_s,
            sent_messages=self._sent,
            sent_observations=self._sent_observations,
            committed_messages=figures[0],
            committed_observations=figures[1],
            settled_s=settled_s,
            lost_messages=lost,
            rejected_messages=rejected,
            repeated_messages=self._repeated,
            reconnections=sum(device.connections - 1 for device in self._devices),
            bad_acknowledgements=sum(device.bad_acknowledgements for device in self._devices),
            latency=latencies,
            breaches=len(self._troubles),
            told=len(heard),
            breach_latency=spread(heard),
            verified_patients=min(plan.verified, len(self._devices)),
            violations=tuple(violations),
            usage=usage,
            stored_in_run=sum(self._tally.stored.values()),
        )

    async def _publish_on_schedule(self, begun: float) -> None:
        plan, devices = self.plan, self._devices
        a_second = plan.rate / plan.a_message
        apart_ms = round(plan.interval_s * 1000)
        turn = 0
        while turn < plan.most_messages:
            due = min(plan.most_messages, int((time.monotonic() - begun) * a_second))
            for _ in range(min(due - turn, _MOST_A_TICK)):
                self._count(devices[turn % len(devices)].measure(spread_ms=apart_ms))
                turn += 1
            await asyncio.sleep(TICK_SECONDS)

    async def _publish_at_will(self, begun: float) -> None:
        plan = self.plan
        while time.monotonic() - begun < plan.seconds and self._sent < plan.most_messages:
            for device in self._devices:
                while len(device.tel) < plan.window and self._sent < plan.most_messages:
                    self._count(device.measure())
            await asyncio.sleep(TICK_SECONDS)

    def _count(self, kept: Kept) -> None:
        self._sent += 1
        self._sent_observations += kept.observations

    async def _get_into_trouble(self) -> None:
        """Every other patient by the machine's own alarm, every other by a fallen pressure."""
        for number in range(self.plan.breaches):
            await asyncio.sleep(1.0 / self.plan.breaches_per_second)
            self._troubles.append(_Trouble(self._homes[number].telephone, time.time()))
            device = self._devices[number]
            fallen = number % 2 == 1
            self._count(device.measure(FALLEN) if fallen else device.alarm(VENOUS_ACCESS, "PH"))

    async def _watch(self, begun: float, meter: Meter | None, phones: PhoneLog | None) -> None:
        before, beat = 0, 0
        while True:
            beat += 1
            await asyncio.sleep(max(0.0, begun + beat - time.monotonic()))
            if meter is not None:
                await asyncio.to_thread(meter.look)
            if phones is not None and self._troubles:
                self._hear(await phones.read())
            self._repeated += sum(device.repeat() for device in self._devices)
            now = self._tally.observations
            told = sum(1 for one in self._troubles if one.heard is not None)
            self.say(
                f"  {beat:4d} s  {now:9,d} committed  {now - before:7,d} observations/s  "
                f"{self._waiting():6d} messages wait"
                + (f"  told {told}/{len(self._troubles)}" if self._troubles else "")
            )
            before = now

    def _hear(self, fresh: Sequence[Any]) -> None:
        for heard in fresh:
            for one in self._troubles:
                if (
                    heard.is_alarm
                    and one.heard is None
                    and one.telephone == heard.telephone
                    and heard.at >= one.published
                ):
                    one.heard = heard.at

    # After

    async def _drain(self, seconds: float) -> int:
        """Wait until everything is acknowledged; return how many messages are not in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._waiting():  # noqa: ASYNC110 - a thousand outboxes, looked at together
                    await asyncio.sleep(TICK_SECONDS * 5)
        return self._waiting()

    async def _wait_for_telephones(self, phones: PhoneLog) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.plan.drain_s):
                while any(one.heard is None for one in self._troubles):
                    self._hear(await phones.read())
                    await asyncio.sleep(TICK_SECONDS * 25)

    def _waiting(self) -> int:
        return sum(device.waiting for device in self._devices)

    async def _go_quiet(self) -> None:
        """End every treatment, so that devices that leave are no alarm."""
        for device in self._devices:
            device.measure(mode="IDL")
        await self._drain(self.plan.drain_s)

    async def _verify(self, record: Record) -> list[Violation]:
        step = max(1, len(self._devices) // max(1, self.plan.verified))
        sample = self._devices[::step][: self.plan.verified]
        self.say(f"  reading back {len(sample)} patients by search")
        expected = [
            verify.Expected(
                device.patient,
                frozenset(range(1, device.readings + 1)),
                frozenset(self._tally.acknowledged_readings[device.voice.device]),
                self._tally.stored[device.voice.device],
            )
            for device in sample
        ]
        return await verify.check_sample(record, expected)
