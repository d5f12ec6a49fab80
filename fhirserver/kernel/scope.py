"""A SMART scope on resources, as a value: whose, which type, which letters, narrowed by which search.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from dataclasses import dataclass
from typing import Final, Literal

ScopeContext = Literal["patient", "user", "system"]
Letter = Literal["c", "r", "u", "d", "s"]
LETTERS: Final = "cruds"
ANY_TYPE: Final = "*"
_FIRST_VERSION: Final = {"rs": "read", "cud": "write", "cruds": "*"}


@dataclass(frozen=True, slots=True)
class Scope:
    """``context/type.letters?filter``: `letters` in the order of ``cruds``, at least one; `filter` "" for none.

    `v1`: it was asked for as ``.read``, ``.write`` or ``.*`` and is told that way again.
    """

    context: ScopeContext
    type: str
    letters: str
    filter: str = ""
    v1: bool = False

    @property
    def text(self) -> str:
        """The scope as clients write it."""
        letters = _FIRST_VERSION.get(self.letters, self.letters) if self.v1 else self.letters
        question = f"?{self.filter}" if self.filter else ""
        return f"{self.context}/{self.type}.{letters}{question}"
