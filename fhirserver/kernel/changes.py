"""What a transaction changed, as the parts that react to it see it."""

from dataclasses import dataclass
from typing import Literal

from fhirserver.kernel.resource import Json


@dataclass(frozen=True, slots=True)
class Change:
    """One resource written in the running transaction.

    `resource` is the new content (None after a delete), `previous` the content before (None for a create).
    Both are shared with whoever else looks at them and must not be changed.
    `patient` is the patient's id when the resource belongs to exactly one.
    """

    tenant: int
    action: Literal["create", "update", "delete"]
    type: str
    id: str
    version: int
    bucket: int
    patient: str | None
    resource: Json | None
    previous: Json | None

    @property
    def reference(self) -> str:
        """Return the relative reference, such as ``Flag/0192...``."""
        return f"{self.type}/{self.id}"
