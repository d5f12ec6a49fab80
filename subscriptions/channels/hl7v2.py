"""The channel hl7v2: events as HL7 v2 messages over MLLP, each acknowledged before the next.

A destination (a tenant's endpoint) has one connection, which is kept, and one message in flight: messages arrive in the
order of their events, also those of several Subscriptions. A notification of many events is many messages; when one of them
fails, those that were taken are not sent again with the rest, so that a slow receiver gets on.

Alarms that go on are told again at each heartbeat, as they are then. What becomes of that ends nothing and is not tried
again: the next heartbeat tells what is newer.

Codes and policies: `subscriptions.core.hl7v2`. https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#custom-channels
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from fhirserver.kernel.errors import Problem
from fhirserver.kernel.hl7 import Line
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from fhirserver.wire.hl7v2.alarm_status import AlarmStatus
from fhirserver.wire.hl7v2.message import Message
from subscriptions.channels.channel import Failure, Parcel
from subscriptions.channels.client_certificate import ClientCertificate
from subscriptions.channels.egress import Egress, EndpointFailed
from subscriptions.channels.mllp_line import Heard, LineFailed, MllpLine
from subscriptions.core.channel_kind import fault, signature_fault
from subscriptions.core.client_subscription import Wishes
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.hl7v2.answer import refused
from subscriptions.core.hl7v2.asked import Asked, asked, header_faults
from subscriptions.core.hl7v2.beside import leads_to
from subscriptions.core.hl7v2.enclosed import NOTHING, Enclosed
from subscriptions.core.hl7v2.endpoint import as_url, mllp_fault
from subscriptions.core.hl7v2.header import Outgoing
from subscriptions.core.hl7v2.keep_alive import CODE, LONGEST, SHORTEST, period_of
from subscriptions.core.hl7v2.messages import going_on, messages
from subscriptions.response.enclosures import Enclosures
from subscriptions.response.notifications import Told

PAYLOAD: Final = "x-application/hl7-v2+er7"
# A receiver that hears nothing for so long is called anew; engines end idle connections themselves.
KEPT_SECONDS: Final = 600.0
# For all alarms that go on together: one that has just begun waits behind them no longer than this.
_AGAIN_SECONDS: Final = 3.0
_UNFINISHED: Final = 1000

_log = structlog.get_logger("delivery")

# Takes what a tenant's receiver says of an alarm that somebody acknowledged; returns what to send back.
StatusBack = Callable[[int, AlarmStatus, Message], Awaitable[str]]
Place = tuple[int, str]
# A Subscription as its owner wants it: tenant, id, endpoint and header lines.
_Notified = tuple[int, str, str, tuple[str, ...]]


class _Destination:
    """One receiver of one tenant: its connection, and the turn of who sends."""

    def __init__(self) -> None:
        """Have no connection yet."""
        self.turn = asyncio.Lock()
        self.line: MllpLine | None = None
        self.used = 0.0

    async def hang_up(self) -> None:
        """Close the connection, if there is one."""
        line, self.line = self.line, None
        if line is not None:
            await line.close()


class HL7v2:
    """Implements `Channel`."""

    code = CODE
    custom = True
    needs_handshake = True

    def __init__(self, egress: Egress, certificate: ClientCertificate | None = None) -> None:
        """Connect through `egress`, which belongs to whoever made it, and show `certificate` to those who ask."""
        self._egress = egress
        self._certificate = certificate
        self._destinations: dict[Place, _Destination] = {}
        # What became of the messages of notifications that were not taken whole, by Subscription and MSH-10.
        self._unfinished: OrderedDict[_Notified, dict[str, Failure | None]] = OrderedDict()
        self._status_back: StatusBack | None = None
        self._enclosures: Enclosures | None = None
        self._next_look = 0.0

    def listen(self, status_back: StatusBack) -> None:
        """Tell `status_back` of alarms that somebody acknowledged at a receiver."""
        self._status_back = status_back

    def enclose(self, enclosures: Enclosures) -> None:
        """Have `enclosures` look up what messages need beside a notification."""
        self._enclosures = enclosures

    async def enclosed(self, tx: Transaction, told: Told, bundle: Json) -> Enclosed | None:
        """See `subscriptions.channels.channel.Encloses`. A heartbeat without an alarm that goes on says nothing."""
        found = NOTHING if self._enclosures is None else await self._enclosures.of(tx, told, bundle)
        return None if told.kind == "heartbeat" and found.going_on is None else found

    def faults(self, wishes: Wishes, policy: EndpointPolicy) -> Iterator[Problem]:
        """See `ChannelKind.faults`."""
        if (reason := mllp_fault(wishes.endpoint, policy)) is not None:
            yield fault("endpoint", reason)
        if wishes.payload is None or wishes.payload.strip().lower() != PAYLOAD:
            yield fault("payload", f"this channel writes {PAYLOAD}")
        if wishes.plain:
            yield fault("type", "HL7 v2 messages are made of the events of a topic")
        elif wishes.content != "full-resource":
            yield fault("payload", "a message carries its resource: ask for full-resource")
        for reason in header_faults(wishes.headers, wishes.topic):
            yield fault("header", reason)
        yield from _heartbeat_fault(wishes)
        yield from signature_fault(wishes)

    def written_as(self, payload: str | None) -> str | None:
        """See `Channel.written_as`: messages are made of the notification, when they are sent."""
        return "application/fhir+json"

    def beside(self, resource: Json) -> Iterator[str]:
        """See `subscriptions.channels.channel.TellsMore`."""
        return leads_to(resource)

    async def deliver(self, parcel: Parcel) -> Failure | None:
        """See `Channel.deliver`. A handshake is a connection that can be opened."""
        await self._hang_up_unused()
        place = (parcel.tenant, parcel.endpoint)
        destination = self._destinations.setdefault(place, _Destination())
        failure = None
        if parcel.kind != "heartbeat":
            try:
                async with asyncio.timeout(parcel.timeout_seconds), destination.turn:
                    failure = await self._in_turn(destination, parcel)
            except TimeoutError:
                failure = Failure("no answer in time")
        if failure is None:
            await self._tell_again(destination, parcel)
        return failure

    def lines(self) -> Mapping[Line, int]:
        """Return how many connections are open to each destination that was called lately."""
        found: Counter[Line] = Counter()
        for (tenant, endpoint), destination in self._destinations.items():
            is_open = destination.line is not None and destination.line.is_open
            found[Line(tenant, "out", endpoint.rpartition("/")[2])] += is_open
        return found

    async def close(self) -> None:
        """See `Channel.close`."""
        known, self._destinations = self._destinations, {}
        for destination in known.values():
            await destination.hang_up()

    async def _in_turn(self, destination: _Destination, parcel: Parcel) -> Failure | None:
        wanted = asked(parcel.headers)
        try:
            async with self._connected(destination, parcel) as line:
                if parcel.kind != "event-notification":
                    return None
                return await self._send(line, wanted, parcel)
        except (EndpointFailed, LineFailed) as problem:
            return Failure(str(problem))

    async def _tell_again(self, destination: _Destination, parcel: Parcel) -> None:
        """Tell of alarms that go on, as many as there is time for."""
        if not isinstance(parcel.enclosed, Enclosed) or parcel.enclosed.going_on is None:
            return
        outgoing = going_on(parcel.enclosed, asked(parcel.headers), parcel.subscription, parcel.at)
        taken = 0
        try:
            async with (
                asyncio.timeout(_AGAIN_SECONDS),
                destination.turn,
                self._connected(destination, parcel) as line,
            ):
                for message in outgoing:
                    answer = await line.ask(message.text, message.control_id)
                    taken += answer.is_taken
        except (EndpointFailed, LineFailed, TimeoutError) as problem:
            _log.info("alarms that go on were not told again", problem=type(problem).__name__)
        if taken < len(outgoing):
            _log.info("alarms that go on were not taken", taken=taken, told=len(outgoing))

    @asynccontextmanager
    async def _connected(
        self, destination: _Destination, parcel: Parcel
    ) -> AsyncIterator[MllpLine]:
        """Give the open connection, a new one where there is none; it is closed when anything fails."""
        if destination.line is None or not destination.line.is_open:
            await destination.hang_up()
            shown = None if self._certificate is None else await self._certificate.context()
            streams = await self._egress.connected(as_url(parcel.endpoint), shown)
            destination.line = MllpLine(*streams, self._heard(parcel.tenant))
        try:
            yield destination.line
        except BaseException:
            await destination.hang_up()
            raise
        destination.used = asyncio.get_running_loop().time()

    async def _send(self, line: MllpLine, wanted: Asked, parcel: Parcel) -> Failure | None:
        """Send what was not taken yet of the messages of `parcel`, up to the first that is refused."""
        try:
            outgoing = _written(parcel, wanted)
        except Exception as problem:  # noqa: BLE001 - what no writer expects must not hold up the alarms behind it
            _log.error("cannot be written", problem=type(problem).__name__)
            return Failure("its content cannot be written", "never-this")
        # What its owner has written anew is asked about anew.
        key = (parcel.tenant, parcel.subscription, parcel.endpoint, parcel.headers)
        known = self._unfinished.setdefault(key, {})
        self._unfinished.move_to_end(key)
        try:
            for message in outgoing:
                if message.control_id not in known:
                    known[message.control_id] = await self._told(line, message, wanted)
                failure = known[message.control_id]
                if failure is None:
                    continue
                if failure.verdict != "never-this" or len(outgoing) == 1:
                    del known[message.control_id]
                # Else it comes again alone, to be set aside, and is not asked about again.
                return failure
            for message in outgoing:
                del known[message.control_id]
        finally:
            if not known:
                self._unfinished.pop(key, None)
            while len(self._unfinished) > _UNFINISHED:
                self._unfinished.popitem(last=False)
        return None

    async def _told(self, line: MllpLine, message: Outgoing, wanted: Asked) -> Failure | None:
        answer = await line.ask(message.text, message.control_id)
        refusal = refused(answer, wanted)
        return None if refusal is None else Failure(refusal.reason, refusal.verdict)

    def _heard(self, tenant: int) -> Heard:
        async def heard(status: AlarmStatus, message: Message) -> str:
            return (
                ""
                if self._status_back is None
                else await self._status_back(tenant, status, message)
            )

        return heard

    async def _hang_up_unused(self) -> None:
        """Now and then close what has not been used for long, and forget where it went."""
        now = asyncio.get_running_loop().time()
        if now < self._next_look:
            return
        self._next_look = now + KEPT_SECONDS / 10
        for place, destination in list(self._destinations.items()):
            is_free = not destination.turn.locked()
            if is_free and destination.used + KEPT_SECONDS < now:
                del self._destinations[place]
                await destination.hang_up()


def _written(parcel: Parcel, wanted: Asked) -> Sequence[Outgoing]:
    enclosed = parcel.enclosed if isinstance(parcel.enclosed, Enclosed) else NOTHING
    bundle = fhir_json.read_own(parcel.body)
    return messages(bundle, wanted, parcel.subscription, parcel.at, enclosed)


def _heartbeat_fault(wishes: Wishes) -> Iterator[Problem]:
    if wishes.heartbeat is None:
        return
    if period_of(wishes) is None:
        yield fault(
            "extension",
            "only alarms that go on are told again: leave backport-heartbeat-period out",
        )
    elif not SHORTEST <= wishes.heartbeat <= LONGEST:
        reason = f"alarms are told again every {SHORTEST} to {LONGEST} seconds"
        yield fault("extension", f"{reason}: backport-heartbeat-period")
