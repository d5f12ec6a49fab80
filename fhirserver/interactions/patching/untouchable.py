"""What no patch may change: which resource it is, and what the server alone says about a version.

Spec: https://hl7.org/fhir/R4/http.html#patch
"""

from fhirserver.interactions.patching.json_patch import same
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json


def require_untouched(before: Json, after: Json) -> None:
    """Raise `BadRequest` when type, id, version or time of the last update differ."""
    for name in ("resourceType", "id"):
        if after.get(name) != before[name]:
            raise BadRequest(f"A patch cannot change {name}.", expression=name)
    was, now = before.get("meta"), after.get("meta")
    for name in ("versionId", "lastUpdated"):
        stated = now.get(name) if isinstance(now, dict) else None
        if not same(stated, was.get(name) if isinstance(was, dict) else None):
            raise BadRequest(
                f"A patch cannot change meta.{name}: the server sets it.", expression=f"meta.{name}"
            )
