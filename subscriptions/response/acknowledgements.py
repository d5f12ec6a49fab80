"""Acknowledgements of alarms by people at another system, who heard of them by HL7 v2 (IHE PCD-04, PCD-05).

They are told of by the control id of the message that told of the alarm. What such an acknowledgement may do is what the
life cycle of alerts allows (`subscriptions.core.life_cycle`): it is written down with the alert, rings nobody here less, and
never ends what only somebody at the patient's side may end.
"""

from typing import Final
from uuid import UUID

from fhirserver.auth.kept_scopes import grant_of
from fhirserver.kernel.canonical import ALERT_IDENTIFIER
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Grant
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core.client_subscription import owner_of
from subscriptions.core.hl7v2.control_id import ControlId, milliseconds, read_control_id
from subscriptions.response.ladders import Ladders
from subscriptions.response.ports import Visibility
from subscriptions.store import event_rows

_LONGEST_NAME: Final = 64


class Acknowledgements:
    """Takes what receivers of alarms say of them."""

    def __init__(self, ladders: Ladders, visibility: Visibility) -> None:
        """Hand acknowledgements to `ladders`; ask `visibility` whether whoever was told of an alarm may still see it."""
        self._ladders = ladders
        self._visibility = visibility

    async def acknowledged(self, tx: Transaction, control_id: str, who: str) -> bool:
        """Write down that an alarm was acknowledged; return whether there is one that `control_id` told of.

        `who` is whom the other system names, "" for nobody. What is said again changes nothing.
        """
        named = read_control_id(control_id)
        if named is None or named.first != named.last:
            return False
        subscription = await tx.get("Subscription", named.subscription)
        owner = None if subscription is None else owner_of(subscription, tx.tenant)
        if subscription is None or owner is None:
            return False
        flag = await self._flag(tx, grant_of(subscription, owner), named)
        alert = None if flag is None else _alert_of(flag)
        if flag is None or alert is None:
            return False
        about = str(flag["subject"]["reference"])
        patient = about.removeprefix("Patient/") if about.startswith("Patient/") else None
        by = f"{owner.reference or owner.kind} by HL7 v2"
        if who:
            by = f"{by}: {who[:_LONGEST_NAME]}"
        await self._ladders.acknowledged(tx, patient, alert, by)
        return True

    async def _flag(self, tx: Transaction, whose: Grant, named: ControlId) -> Json | None:
        """Return the Flag that the message told of, as it is now, if whoever was told of it may see it."""
        rows = await event_rows.numbered(tx, named.subscription, named.first - 1, named.first, 1)
        if not rows:
            return None
        (row,) = rows
        if row.focus_type != "Flag" or milliseconds(row.at) != milliseconds(named.at):
            return None
        place = (row.focus_type, row.focus_id)
        versions = (await tx.versions({place: frozenset[int]()})).get(place, ())
        access = await self._visibility.access(tx, whose)
        if not versions or not self._visibility.sees(access, versions[0]):
            return None
        return fhir_json.read_own(versions[0].content)


def _alert_of(flag: Json) -> UUID | None:
    identifiers = flag.get("identifier", ())
    found = (one["value"] for one in identifiers if one.get("system") == ALERT_IDENTIFIER)
    return next((UUID(one) for one in found), None)
