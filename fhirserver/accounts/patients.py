"""Whose record an app may be opened on: the patients that somebody may read, found by name."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from fhirserver.accounts.consent_page import Patient
from fhirserver.interactions.access_now import access_of
from fhirserver.interactions.context import Context
from fhirserver.interactions.read import read
from fhirserver.interactions.search import search
from fhirserver.kernel.errors import FhirError
from fhirserver.kernel.ports import RecordStore
from fhirserver.kernel.principal import Access, Grant, Principal
from fhirserver.wire import fhir_json

SHOWN: Final = 20


class Patients:
    """Looks patients up with the rights of whoever is in front of the page."""

    def __init__(
        self,
        store: RecordStore,
        context_of: Callable[[Access], Context],
        clock: Callable[[], datetime],
    ) -> None:
        """Read from `store`; `clock` is aware UTC."""
        self._store = store
        self._context_of = context_of
        self._clock = clock

    async def found(self, principal: Principal, name: str) -> tuple[list[Patient], bool]:
        """Return the first patients with this name (any, when it is empty), and whether there are more."""
        context = await self.context(principal)
        asked = [("_count", str(SHOWN)), ("_sort", "family,given")]
        if name:
            asked.append(("name", name))
        try:
            page = (await search(context, "Patient", asked)).page
        except FhirError:
            # A role that may look for no patients has none to choose from.
            return [], False
        return [_patient(fhir_json.read_own(one.content)) for one in page.entries], bool(
            page.cursor
        )

    async def one(self, principal: Principal, id_: str) -> Patient | None:
        """Return the patient with this id, None when there is none or `principal` may not read it."""
        try:
            stored = await read(await self.context(principal), "Patient", id_)
        except FhirError:
            return None
        return _patient(fhir_json.read_own(stored.content))

    async def context(self, principal: Principal) -> Context:
        """Return the way into the record with the rights of `principal`."""
        return self._context_of(await access_of(self._store, Grant(principal), self._clock()))


def _patient(resource: dict[str, Any]) -> Patient:
    names = resource.get("name") or [{}]
    name = next((one for one in names if one.get("use") == "official"), names[0])
    written = name.get("text") or " ".join([*name.get("given", ()), name.get("family", "")])
    return Patient(resource["id"], written.strip(), resource.get("birthDate", ""))
