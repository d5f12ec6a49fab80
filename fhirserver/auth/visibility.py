"""The rules applied to content: one answer for reads, versions, search hits, deliveries and writes.

The store already filters by the row's patient where there is exactly one; resources that name several patients or
none have no such row, so their content decides, here. Content that must be searched is parsed with its decimals kept;
of other content only the references to patients are read.
"""

from collections.abc import Mapping
from typing import TypeVar

from fhirserver.auth.policy import judged
from fhirserver.auth.policy_table import Interaction
from fhirserver.auth.scopes import meets_filter
from fhirserver.definitions.patient_of import belongs_to, patients_of
from fhirserver.definitions.patients_in import patients_in, patients_named
from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Json, Stored
from fhirserver.wire import fhir_json

Whose = TypeVar("Whose")

_NOBODY: frozenset[str] = frozenset()
# Resources of the other kinds name no patient, so there is nothing to parse for.
_MAY_NAME_PATIENTS = frozenset({"patient", "staff"})


def visible(
    access: Access, resource_type: str, content: bytes, interaction: Interaction = "read"
) -> bool:
    """Return whether `access` covers `interaction` on the resource with this JSON (never a tombstone)."""
    if access.everything:
        return True
    kind = belongs_to(resource_type).kind
    patients = patients_in(resource_type, content) if kind in _MAY_NAME_PATIENTS else _NOBODY
    return _meets(content, judged(access, interaction, resource_type, patients, kind))


def shows(access: Access, version: Stored) -> bool:
    """Return whether `access` covers reading this version (never a tombstone)."""
    if access.everything:
        return True
    kind = belongs_to(version.type).kind
    patients = patients_named(version) if kind in _MAY_NAME_PATIENTS else _NOBODY
    return _meets(version.content, judged(access, "read", version.type, patients, kind))


def _meets(content: bytes, filters: frozenset[str]) -> bool:
    if not filters or "" in filters:
        return bool(filters)
    resource = fhir_json.read_own(content)
    return any(meets_filter(resource, one) for one in filters)


def allows(access: Access, interaction: Interaction, resource: Json) -> bool:
    """Return whether `access` covers `interaction` on `resource` as it reads."""
    return access.everything or who_may({None: access}, interaction, resource)[None]


def who_may(
    accesses: Mapping[Whose, Access], interaction: Interaction, resource: Json
) -> dict[Whose, bool]:
    """Return of each of `accesses` what `allows` returns: what is the same for all is looked at once."""
    resource_type = resource["resourceType"]
    kind, patients = belongs_to(resource_type).kind, patients_of(resource)
    met: dict[str, bool] = {"": True}
    found = {}
    for whose, access in accesses.items():
        filters = judged(access, interaction, resource_type, patients, kind)
        for one in filters - met.keys():
            met[one] = meets_filter(resource, one)
        found[whose] = any(met[one] for one in filters)
    return found
