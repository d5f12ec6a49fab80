"""The outcome of a request that was handed in to be done later, given out by the rights of whoever picks it up.

It may lie for a day, and somebody who belonged to the team when it was made may not any more. With the outcome is kept which
access it was made under. Where the access of now is another one, everything in it is judged anew, and where something must
not be shown any more, or cannot be told, none of it is.

Spec: https://hl7.org/fhir/R4/async.html
"""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any, Final

from fhirserver.auth import allows
from fhirserver.kernel.errors import Forbidden
from fhirserver.kernel.principal import Access
from fhirserver.wire import fhir_json

KIND: Final = "request"
_ANSWERS: Final = frozenset({"searchset", "history", "batch-response", "transaction-response"})
_CHANGED: Final = b"changed"


def kept(begun: Access, ended: Access, content: bytes) -> bytes:
    """Return `content` (a Bundle) as it is kept, which was made while the access was first `begun`, then `ended`."""
    under = _digest(ended) if begun == ended else _CHANGED
    return under + b"\n" + content


def given(outcome: bytes, access: Access) -> bytes:
    """Return the Bundle that was kept. Raises `Forbidden` where `access` may not see, or not any more, what is in it."""
    under, _, content = outcome.partition(b"\n")
    if outcome.startswith(b"{"):
        # Kept before outcomes said under which access they were made.
        under, content = _CHANGED, outcome
    if access.everything or under == _digest(access):
        return content
    if not _is_shown(fhir_json.read_own(content), access):
        message = "What you may see has changed since this was done: ask for it again."
        raise Forbidden(message)
    return content


def _is_shown(resource: Any, access: Access) -> bool:
    type_ = resource.get("resourceType") if isinstance(resource, dict) else None
    if type_ is None:
        return False
    if type_ == "OperationOutcome":
        return True
    if type_ == "Bundle" and resource.get("type") in _ANSWERS:
        return all(
            _is_shown(entry["resource"], access)
            for entry in resource.get("entry", ())
            if "resource" in entry
        )
    # Parameters and the like belong to nobody the rules know, so they are shown to administrators alone.
    return allows(access, "read", resource)


def _digest(access: Access) -> bytes:
    return sha256(_plain(access).encode()).hexdigest().encode()


def _plain(value: Any) -> str:
    """Return a text that is the same for equal values: sets have no order."""
    if is_dataclass(value):
        compared: Iterable[str] = (one.name for one in fields(value) if one.compare)
        return f"({','.join(_plain(getattr(value, name)) for name in compared)})"
    if isinstance(value, frozenset):
        return "{" + ",".join(sorted(map(_plain, value))) + "}"
    if isinstance(value, tuple):
        return "[" + ",".join(map(_plain, value)) + "]"
    return repr(value)


def shown_content(kind: str, outcome: bytes, access: Access) -> bytes:
    """Return what is answered for the outcome of a job of `kind`. Raises `Forbidden` like `given`."""
    return given(outcome, access) if kind == KIND and outcome else outcome
