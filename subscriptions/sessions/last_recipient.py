"""No client's write takes the last person who would hear an alarm away from a patient whose monitoring is armed.

A care team is changed, a Consent denied or withdrawn: when nobody of the first tier could be reached
any more, the write is refused and says so. Whoever wants that takes the patient off monitoring first.
What happens by itself (a number that fails, a STOP) is not refused: monitoring lapses then, which is an
alarm of its own.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from weakref import WeakSet

from fhirserver.definitions.patient_of import patient_id
from fhirserver.kernel.changes import Change
from fhirserver.kernel.errors import Problem, Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.arming import able
from subscriptions.core.managed_subscription import is_telephone
from subscriptions.response.rosters import roster_of
from subscriptions.store import contact_rows, session_rows

_TYPES: Final = frozenset({"CareTeam", "Consent"})


class LastRecipient:
    """Remembers which transactions hold such writes of clients, and looks at the end who is left."""

    def __init__(self) -> None:
        """Remember none yet."""
        self._written: WeakSet[Transaction] = WeakSet()

    def note(self, tx: Transaction, resource: Json) -> None:
        """Note that a client writes `resource`."""
        if resource.get("resourceType") in _TYPES:
            self._written.add(tx)

    async def armed(self, tx: Transaction, changes: Sequence[Change]) -> frozenset[str]:
        """Return the patients whose monitoring is armed and whose recipients a client changes here."""
        patients: set[str] = set()
        for change in changes:
            # Nobody but clients deletes these.
            if change.type in _TYPES and change.action == "delete":
                self._written.add(tx)
        if tx in self._written:
            for change in changes:
                patients |= await _touched(tx, change)
        return await session_rows.armed_patients(tx, sorted(patients)) if patients else frozenset()

    async def check(self, tx: Transaction, patients: Iterable[str]) -> None:
        """Raise `Unprocessable` when nobody of the first tier can be reached for one of `patients`."""
        for patient in sorted(patients):
            if not able(await roster_of(tx, patient)):
                text = (
                    f"The monitoring of Patient/{patient} is armed, and nobody on the first tier who may "
                    "be told of alarms could be reached any more."
                )
                problem = Problem("error", "business-rule", "", text)
                raise Unprocessable(text, problems=[problem])


async def _touched(tx: Transaction, change: Change) -> set[str]:
    if change.type == "Subscription" and is_telephone(change.resource or change.previous or {}):
        return set(await contact_rows.patients_of_subscription(tx, change.id))
    if change.type not in _TYPES:
        return set()
    element = "subject" if change.type == "CareTeam" else "patient"
    found = {
        patient_id((one.get(element) or {}).get("reference"))
        for one in (change.previous, change.resource)
        if one is not None
    }
    patients = {one for one in found if one is not None}
    if change.type == "CareTeam" and not patients:
        patients |= set(await contact_rows.patients_of_team_on_call(tx, change.id))
    return patients
