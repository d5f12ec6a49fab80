"""Everything an interaction may touch, handed to it in one value."""

from dataclasses import dataclass

from fhirserver.definitions import Definitions
from fhirserver.kernel.ports import ChangeObserver, RecordStore
from fhirserver.kernel.principal import Access, Principal


@dataclass(frozen=True, slots=True)
class Context:
    """One caller's way into the record: the access decision of now and the parts of the server.

    `base` is the public FHIR base URL, without trailing slash.
    """

    access: Access
    store: RecordStore
    definitions: Definitions
    observer: ChangeObserver
    base: str

    @property
    def principal(self) -> Principal:
        """Who is asking."""
        return self.access.principal

    @property
    def tenant(self) -> int:
        """The tenant of the caller; nothing outside it can be reached."""
        return self.access.principal.tenant
