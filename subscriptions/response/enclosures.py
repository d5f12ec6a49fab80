"""What a message of HL7 v2 needs of the record beside the notification: how it was before, who sent an alarm, what goes on."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from fhirserver.kernel.canonical import ALERT_DEVICE, ALERT_SOURCE
from fhirserver.kernel.hl7 import AlarmTold
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core.client_subscription import wishes
from subscriptions.core.hl7v2 import keep_alive
from subscriptions.core.hl7v2.asked import asked
from subscriptions.core.hl7v2.enclosed import NOTHING, Enclosed, Source
from subscriptions.core.hl7v2.machine import mdc_of
from subscriptions.core.hl7v2.told import told
from subscriptions.response.notifications import Notifications, Told
from subscriptions.store import open_alert_rows

_REMEMBERED: Final = 10_000
_COMPARED: Final = ("Encounter", "Patient")

# Returns which message told last of an alarm of a Device, by what the machine calls it; None for none.
AlarmSource = Callable[[Transaction, str, str], Awaitable[AlarmTold | None]]


class Enclosures:
    """Looks up what goes with notifications, in the transaction that makes them."""

    def __init__(self, notifications: Notifications, source_of: AlarmSource) -> None:
        """Tell of alerts that go on through `notifications`, which decides who may see them."""
        self._notifications = notifications
        self._source_of = source_of
        # When this process last told a Subscription what goes on.
        self._rounds: OrderedDict[tuple[int, str], datetime] = OrderedDict()

    async def of(self, tx: Transaction, one: Told, bundle: Json) -> Enclosed:
        """Return what goes with `bundle`, which tells `one`."""
        if one.kind not in ("event-notification", "heartbeat"):
            return NOTHING
        wanted = wishes(one.subscription)
        match asked(wanted.headers).kind:
            case "ADT":
                return Enclosed(before=await _before(tx, one))
            case "ORA^R41":
                return Enclosed(sources=await self._sources(tx, bundle))
            case "ORU^R40":
                period = timedelta(seconds=keep_alive.period_of(wanted) or keep_alive.USUAL)
                return Enclosed(going_on=await self._going_on(tx, one, period))
            case _:
                return NOTHING

    async def _going_on(self, tx: Transaction, one: Told, period: timedelta) -> Json | None:
        """Return the alerts that go on: at each heartbeat, and beside events when none could come for so long."""
        key = (tx.tenant, str(one.subscription["id"]))
        last = self._rounds.get(key)
        if one.kind != "heartbeat" and last is not None and last + period > tx.now:
            return None
        self._rounds[key] = tx.now
        self._rounds.move_to_end(key)
        while len(self._rounds) > _REMEMBERED:
            self._rounds.popitem(last=False)
        told_now = {row.focus_id for row in one.rows}
        before = one.rows[0].number - 1 if one.rows else one.through
        rows = await open_alert_rows.told_of(tx, key[1], before)
        rows = [row for row in rows if row.focus_id not in told_now]
        if not rows:
            return None
        again = replace(one, kind="event-notification", rows=rows, entry_id=UUID(tx.new_id(None)))
        return await self._notifications.bundle(tx, again)

    async def _sources(self, tx: Transaction, bundle: Json) -> dict[str, Source]:
        found: dict[str, Source] = {}
        for event in told(bundle).events:
            flag = event.resource
            device, alarm = _alarm(flag)
            source = None if device is None else await self._source_of(tx, device, alarm)
            if source is not None:
                name, application, facility = (*source.sender.split("|"), "", "")[:3]
                found[flag["id"]] = Source(
                    name, source.control_id, source.filler, application, facility
                )
        return found


async def _before(tx: Transaction, one: Told) -> dict[int, Json]:
    """Return how the resource of each event was before it, where it was."""
    changed = [row for row in one.rows if row.focus_type in _COMPARED and row.action == "update"]
    wanted: dict[tuple[str, str], set[int]] = {}
    for row in changed:
        wanted.setdefault((row.focus_type, row.focus_id), set()).add(row.focus_version - 1)
    versions = await tx.versions(wanted) if wanted else {}
    return {
        row.number: fhir_json.read_own(stored.content)
        for row in changed
        for stored in versions.get((row.focus_type, row.focus_id), ())
        if stored.version == row.focus_version - 1 and not stored.deleted
    }


def _alarm(flag: Json) -> tuple[str | None, str]:
    """Return the id of the Device of an alert, and what the machine calls its alarm."""
    extensions = {one.get("url"): one for one in flag.get("extension", ())}
    device = extensions.get(ALERT_DEVICE, {}).get("valueReference", {}).get("reference", "")
    source = mdc_of(extensions.get(ALERT_SOURCE, {}).get("valueCodeableConcept")) or ""
    code = next((one.get("code", "") for one in flag.get("code", {}).get("coding", ())), "")
    return device.partition("/")[2] or None, f"{code}:{source}"
