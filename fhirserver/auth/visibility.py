"""The read rules applied to stored content: one answer for reads, versions and search hits.

The store already filters by the row's patient where there is exactly one; resources that name
several patients or none have no such row, so their content decides, here. Content is parsed with a
fast decoder that does not keep decimals: only references are looked at.
"""

import orjson

from fhirserver.auth.policy import may
from fhirserver.definitions.patient_of import belongs_to, patients_of
from fhirserver.kernel.principal import Access

_NOBODY: frozenset[str] = frozenset()
# Resources of the other kinds name no patient, so there is nothing to parse for.
_MAY_NAME_PATIENTS = frozenset({"patient", "staff"})


def visible(access: Access, resource_type: str, content: bytes) -> bool:
    """Return whether `access` may read the resource with this JSON (never a tombstone)."""
    if access.everything:
        return True
    kind = belongs_to(resource_type).kind
    patients = patients_of(orjson.loads(content)) if kind in _MAY_NAME_PATIENTS else _NOBODY
    return may(access, "read", resource_type, patients, kind)
