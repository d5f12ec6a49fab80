"""Facts about patients that topics may be filtered by: their organization and their care teams."""

from collections.abc import Collection

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Stored
from fhirserver.wire import fhir_json
from subscriptions.core.topic import NO_FACTS, Facts
from subscriptions.store import fact_rows


class PatientFacts:
    """The facts as they stand in one transaction, each read once."""

    def __init__(self, tx: Transaction) -> None:
        """Read in `tx`."""
        self._tx = tx
        self._known: dict[str, Facts] = {}

    async def learn(self, patients: Collection[str]) -> None:
        """Read the facts of those `patients` that are not known yet."""
        unknown = set(patients) - self._known.keys()
        if not unknown:
            return
        teams = await fact_rows.care_teams(self._tx, unknown)
        nothing: frozenset[int] = frozenset()
        versions = await self._tx.versions({("Patient", patient): nothing for patient in unknown})
        for patient in unknown:
            current = next(iter(versions.get(("Patient", patient), ())), None)
            organizations = frozenset() if current is None else _organization(current)
            self._known[patient] = Facts(organizations, teams[patient])

    def about(self, patient: str | None) -> Facts:
        """Return what was learnt of a patient; nothing is known of nobody."""
        return NO_FACTS if patient is None else self._known.get(patient, NO_FACTS)


def _organization(patient: Stored) -> frozenset[str]:
    if patient.deleted:
        return frozenset()
    reference = fhir_json.read_own(patient.content).get("managingOrganization", {}).get("reference")
    return frozenset((reference,)) if isinstance(reference, str) else frozenset()
