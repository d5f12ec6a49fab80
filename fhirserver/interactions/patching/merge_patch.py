"""JSON Merge Patch: a resource-shaped document whose members replace, and whose nulls remove.

Spec: https://www.rfc-editor.org/rfc/rfc7396
"""

from fhirserver.interactions.patching.json_patch import copied
from fhirserver.kernel.resource import Json


def merged(resource: Json, patch: Json) -> Json:
    """Return `resource` after `patch`, both unchanged."""
    result = copied(resource)
    _merge(result, patch)
    assert isinstance(result, dict)
    return result


def _merge(target: Json, patch: Json) -> None:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            inner = target.get(name)
            if not isinstance(inner, dict):
                inner = target[name] = {}
            _merge(inner, value)
        else:
            target[name] = copied(value)
