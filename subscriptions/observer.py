"""The one observer the record knows: rules first, then people, then treatments.

The order matters: an alert raised by the rules part in a round of changes is already stored when
the response part sees the same round, and who can be reached is known when the sessions part asks
whether monitoring is armed.
"""

from collections.abc import Sequence
from datetime import datetime

from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.readings import (
    Contact,
    DeviceEvent,
    DeviceFault,
    DeviceLimits,
    Reading,
    StreamedObservation,
)
from fhirserver.kernel.resource import Json
from subscriptions.core.ports import ResponsePart
from subscriptions.evaluation.part import Evaluation
from subscriptions.sessions.last_recipient import LastRecipient
from subscriptions.sessions.part import Sessions


class Observer:
    """Implements `fhirserver.kernel.ports.ChangeObserver` by asking its three parts."""

    def __init__(self, evaluation: Evaluation, response: ResponsePart, sessions: Sessions) -> None:
        self._evaluation = evaluation
        self._response = response
        self._sessions = sessions
        self._last = LastRecipient()

    async def admit(
        self, tx: Transaction, principal: Principal, resource: Json, previous: Json | None
    ) -> Json:
        """Return the resource as it shall be stored. Raises a `FhirError` to refuse it."""
        self._last.note(tx, resource)
        admitted = await self._evaluation.admit(tx, principal, resource, previous)
        return await self._response.admit(tx, principal, admitted, previous)

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """React to resources written by anybody. Raises `Unprocessable`, see `LastRecipient`."""
        armed = await self._last.armed(tx, changes)
        await self._evaluation.changed(tx, changes)
        await self._response.changed(tx, changes)
        await self._sessions.changed(tx, changes)
        await self._last.check(tx, armed)

    async def readings(self, tx: Transaction, readings: Sequence[Reading]) -> None:
        """Evaluate measured values."""
        await self._evaluation.readings(tx, readings)
        await self._response.readings(tx, readings)

    async def streamed(self, tx: Transaction, observations: Sequence[StreamedObservation]) -> None:
        """Append events for those who subscribe to what devices measure."""
        await self._response.streamed(tx, observations)

    async def device_events(self, tx: Transaction, events: Sequence[DeviceEvent]) -> None:
        """Evaluate machine alarm events."""
        await self._evaluation.device_events(tx, events)
        await self._response.device_events(tx, events)

    async def contacts(self, tx: Transaction, contacts: Sequence[Contact]) -> None:
        """Learn that devices are alive, or gone."""
        await self._evaluation.contacts(tx, contacts)
        own = [one for one in contacts if not one.by_gateway]
        await self._response.contacts(tx, own)
        await self._sessions.contacts(tx, own)

    async def limits(self, tx: Transaction, announced: Sequence[DeviceLimits]) -> None:
        """Learn which alarm limits machines have now."""
        await self._evaluation.limits(tx, announced)

    async def faults(self, tx: Transaction, faults: Sequence[DeviceFault]) -> None:
        """Learn what is wrong with what devices send, or not any more."""
        await self._evaluation.faults(tx, faults)
        await self._response.faults(tx, faults)

    async def scan(self, tx: Transaction, listening_since: datetime) -> int:
        """Raise what time itself raises; see `subscriptions.evaluation.part.Evaluation.scan`."""
        return await self._evaluation.scan(tx, listening_since)
