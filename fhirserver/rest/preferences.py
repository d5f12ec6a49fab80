"""What a caller prefers, in the Prefer header: what to get back, how strict to be, whether to wait.

Spec: https://hl7.org/fhir/R4/http.html#ops, https://www.rfc-editor.org/rfc/rfc7240
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from fhirserver.rest.negotiation import Return

_RETURNS: Final[dict[str, Return]] = {
    "minimal": "minimal",
    "representation": "representation",
    "operationoutcome": "OperationOutcome",
}


@dataclass(frozen=True, slots=True)
class Preferences:
    """`returns` None: the caller does not say what a write shall answer with.

    `is_lenient`: parameters a search does not know may be ignored.
    """

    returns: Return | None = None
    is_lenient: bool = False
    respond_async: bool = False


@lru_cache(maxsize=256)
def preferences(prefer: bytes | None) -> Preferences:
    """Return what a Prefer header says; what is not understood in it is ignored, as HTTP says."""
    if prefer is None:
        return Preferences()
    returns: Return | None = None
    is_lenient = respond_async = False
    for part in prefer.decode("latin-1").replace(";", ",").split(","):
        name, _, value = part.partition("=")
        name, value = name.strip().lower(), value.strip().strip('"').lower()
        if name == "return":
            returns = returns or _RETURNS.get(value)
        elif name == "handling":
            is_lenient = value == "lenient"
        elif name == "respond-async":
            respond_async = True
    return Preferences(returns, is_lenient, respond_async)
