"""Canonical FHIR JSON: the one way to write a resource that is to be signed.

No white space, the names of members in order, numbers with the digits they have. A signature of its own
is no part of what it signs. https://hl7.org/fhir/R4/json.html#canonical
"""

from collections.abc import Mapping
from typing import Any

from fhirserver.wire import fhir_json


def canonical(resource: Mapping[str, Any]) -> bytes:
    """Return the bytes of `resource` that are signed: everything but its member ``signature``."""
    return fhir_json.write(_ordered({k: v for k, v in resource.items() if k != "signature"}))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_ordered(one) for one in value]
    return value
