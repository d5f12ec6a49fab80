"""Tables of codes: what a code of a sender means in FHIR, and what becomes of one that is in no table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from adapters.hl7v2.mapping.errors import MappingError

Otherwise = Literal["drop", "keep", "refuse"]
_POLICIES: Final = ("drop", "keep", "refuse")


@dataclass(frozen=True, slots=True)
class Target:
    """A code of FHIR, with the system it is of (None where the element's binding says it all)."""

    code: str
    system: str | None = None
    display: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Translates codes. `otherwise`: what becomes of others; a `Target` stands for all of them.

    ``keep``: the code as sent, in the system `source`. Keys are compared without regard to case and blanks around them.
    """

    name: str
    source: str | None
    codes: Mapping[str, Target | None]
    otherwise: Otherwise | Target

    def find(self, code: str) -> Target | None:
        """Return what `code` means; None where it means nothing on purpose. Raises `KeyError` for one to refuse.

        `LookupError` (not `KeyError`): it is unknown, and dropped.
        """
        key = code.strip().upper()
        if key in self.codes:
            return self.codes[key]
        if isinstance(self.otherwise, Target):
            return self.otherwise
        if self.otherwise == "keep":
            return Target(code.strip(), self.source)
        raise KeyError(code) if self.otherwise == "refuse" else LookupError(code)


def read_table(name: str, given: Any) -> Table:
    """Return the table written as `given`. Raises `MappingError`."""
    if not isinstance(given, dict) or not isinstance(given.get("codes"), dict):
        raise MappingError(["a table is an object with codes"])
    unknown = given.keys() - {"source", "target", "otherwise", "codes"}
    if unknown:
        raise MappingError([f"a table has no {', '.join(sorted(unknown))}"])
    system = given.get("target")
    codes = {
        str(key).strip().upper(): _target(key, value, system)
        for key, value in given["codes"].items()
    }
    otherwise = given.get("otherwise", "drop")
    policy: Otherwise | Target = (
        otherwise if otherwise in _POLICIES else _required(otherwise, system)
    )
    return Table(name, given.get("source"), codes, policy)


def _required(value: Any, system: str | None) -> Target:
    found = _target("otherwise", value, system)
    if found is None:
        raise MappingError(["otherwise is drop, keep, refuse or a code"])
    return found


def _target(key: Any, value: Any, system: str | None) -> Target | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Target(value, system)
    if isinstance(value, bool):
        return Target("true" if value else "false")
    if isinstance(value, dict) and isinstance(value.get("code"), str):
        return Target(value["code"], value.get("system", system), value.get("display"))
    raise MappingError([f"the code {key!r} means a code, an object with a code, or nothing"])
