"""What a check returns: nothing when all is well, else located findings.

A check knows only its own value. It returns None, or a list of findings whose paths are
relative to that value; each caller on the way out puts its own step in front. So a valid
resource, by far the common case, never pays for building a path.
"""

from collections.abc import Callable
from typing import Any, Literal

Json = dict[str, Any]


class Finding:
    """One fault. `path` grows towards the root while it travels outwards.

    `local` is set for a reference into `contained` ("#x"): not a fault by itself, the
    enclosing resource drops the finding if it contains that id.
    """

    __slots__ = ("code", "local", "message", "path", "severity")

    def __init__(
        self,
        code: str,
        message: str,
        path: str = "",
        *,
        severity: Literal["error", "warning"] = "error",
        local: str | None = None,
    ) -> None:
        """`code`: FHIR issue type; `path`: relative, with its leading "." or "["."""
        self.code = code
        self.message = message
        self.path = path
        self.severity: Literal["error", "warning"] = severity
        self.local = local


Findings = list[Finding] | None

Check = Callable[[Any, Any], Findings]
"""check(value, parent) -> findings; `parent` is the JSON object (or array) that holds it."""


def fault(code: str, message: str, path: str = "") -> list[Finding]:
    """A single error."""
    return [Finding(code, message, path)]


def joined(found: Findings, more: list[Finding]) -> list[Finding]:
    """Both lists as one, in place."""
    if found is None:
        return more
    found += more
    return found


def under(step: str, inner: list[Finding]) -> list[Finding]:
    """The findings of a child, with the step that leads to it (".code" or "[0]") in front."""
    for one in inner:
        one.path = step + one.path
    return inner


def wrong_type(expected: str, value: object) -> list[Finding]:
    """The fault for JSON of the wrong shape, naming both sides in JSON's words."""
    return fault("structure", f"{expected} is expected here, not {_shown(value)}")


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true or false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, dict):
        return "an object"
    return "a number"
