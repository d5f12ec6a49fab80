"""Which encounter an app may be opened on: those of one patient that somebody may read, the newest first."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from fhirserver.accounts.encounter_page import Encounter
from fhirserver.definitions.patients_in import patients_in
from fhirserver.interactions.context import Context
from fhirserver.interactions.read import read
from fhirserver.interactions.search import search
from fhirserver.kernel.errors import FhirError
from fhirserver.kernel.principal import Principal
from fhirserver.wire import fhir_json

SHOWN: Final = 20
_TYPE: Final = "Encounter"


@dataclass(frozen=True, slots=True)
class Encounters:
    """Looks encounters up with the rights of whoever is in front of the page: `context_of` gives them."""

    context_of: Callable[[Principal], Awaitable[Context]]

    async def newest(
        self, principal: Principal, patient: str, after: str
    ) -> tuple[list[Encounter], str]:
        """Return encounters of the patient, the newest first, and the mark behind which there are more ("" for none).

        `after` is such a mark; "" begins with the newest.
        """
        asked = [("patient", patient), ("_sort", "-date"), ("_count", str(SHOWN))]
        if after:
            asked.append(("_cursor", after))
        try:
            page = (await search(await self.context_of(principal), _TYPE, asked)).page
        except FhirError:
            # A role that may look for no encounters has none to choose from; nor has a mark that is none of ours.
            return [], ""
        found = [_encounter(fhir_json.read_own(one.content)) for one in page.entries]
        return found, page.cursor or ""

    async def is_of(self, principal: Principal, id_: str, patient: str) -> bool:
        """Return whether there is an encounter with this id of that patient, and `principal` may read it."""
        try:
            stored = await read(await self.context_of(principal), _TYPE, id_)
        except FhirError:
            return False
        return patient in patients_in(_TYPE, stored.content)


def _encounter(resource: dict[str, Any]) -> Encounter:
    period = resource.get("period") or {}
    types = resource.get("type") or [{}]
    return Encounter(
        resource["id"],
        str(period.get("start") or period.get("end") or ""),
        _named(types[0]) or _coded(resource.get("class") or {}),
        str(resource.get("status", "")),
    )


def _named(concept: dict[str, Any]) -> str:
    texts = (concept.get("text"), *(map(_coded, concept.get("coding", ()))))
    return next((str(one) for one in texts if one), "")


def _coded(coding: dict[str, Any]) -> str:
    return str(coding.get("display") or coding.get("code") or "")
