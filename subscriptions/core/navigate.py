"""Reading a resource along a short path, for what topics watch and filter by.

Paths are FHIRPath (http://hl7.org/fhirpath/N1/) of two kinds of step only: an element name, and
``extension('url')``. ``Flag.extension('...flag-priority').value.coding.code`` is a whole topic's
worth of FHIRPath; keeping to it makes matching a dictionary walk inside the write transaction.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

_STEP: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9]*)|extension\('([^']+)'\))(?:\.|$)")


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path: each step an element name, or an extension's URL (`is_extension`)."""

    steps: tuple[tuple[bool, str], ...]

    def values(self, resource: Any) -> list[Any]:
        """Return every value the path reaches in `resource`, in document order; [] for None."""
        found = [resource] if isinstance(resource, dict) else []
        for is_extension, name in self.steps:
            found = [value for item in found for value in _step(item, name, is_extension)]
        return found


def parse(text: str) -> Path:
    """Return `text` parsed. Raises `ValueError` for anything beyond the two kinds of step."""
    steps: list[tuple[bool, str]] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(f"not a path of element names and extension('url') steps: {text!r}")
        steps.append((match[2] is not None, match[2] or match[1]))
        position = match.end()
    if not steps or text.endswith("."):
        raise ValueError(f"not a path of element names and extension('url') steps: {text!r}")
    return Path(tuple(steps))


def _step(item: Any, name: str, is_extension: bool) -> list[Any]:  # noqa: FBT001 - part of a step
    if not isinstance(item, dict):
        return []
    if is_extension:
        return [e for e in item.get("extension", []) if e.get("url") == name]
    value = item.get(name)
    if value is None and name == "value":
        value = next((v for key, v in item.items() if key.startswith("value")), None)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
