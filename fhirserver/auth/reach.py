"""Whose resources of one type a caller may meet, and what those must meet on top: the decision as a store can ask it.

The same answer as `fhirserver.auth.policy.judged` gives for one resource, turned around: a set of patients instead of
a resource at hand. Both are needed, and a property holds them against each other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from fhirserver.auth.policy import NEVER, Filters, judged
from fhirserver.auth.policy_table import Interaction
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.kernel.principal import Access

# No patient has this id: what is allowed for it is allowed for everybody.
_ANYBODY: Final = "\0"


@dataclass(frozen=True, slots=True)
class Group:
    """Resources of `patients` (ids; None: of any patient) are met where one of `filters` is."""

    patients: frozenset[str] | None
    filters: Filters


@dataclass(frozen=True, slots=True)
class Reach:
    """What a caller meets of a type: by patient, and what names no single patient where `unnamed` allows it."""

    groups: tuple[Group, ...]
    unnamed: Filters
    # What all of it must meet; None where that depends on whose it is.
    filters: Filters | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Find out once what every search asks for."""
        found = {one.filters for one in self.groups} | ({self.unnamed} - {NEVER})
        object.__setattr__(self, "filters", found.pop() if len(found) == 1 else None)

    @property
    def patients(self) -> frozenset[str]:
        """The patients named in groups."""
        return frozenset[str]().union(*(one.patients or () for one in self.groups))


@lru_cache(maxsize=8192)
def reach(access: Access, interaction: Interaction, resource_type: str) -> Reach:
    """Return what `access` meets of `resource_type`; not to be asked of one that nothing limits."""
    kind = belongs_to(resource_type).kind
    unnamed = judged(access, interaction, resource_type, frozenset(), kind)
    if not access.tenant_wide:
        return Reach(_grouped(access, interaction, resource_type, access.patients), unnamed)
    anybody = judged(access, interaction, resource_type, frozenset((_ANYBODY,)), kind)
    several: tuple[Group, ...] = (Group(None, anybody),) if anybody else ()
    if access.launch is not None:
        own = _grouped(access, interaction, resource_type, frozenset((access.launch,)))
        several += tuple(one for one in own if one.filters != anybody)
    return Reach(several, unnamed)


def _grouped(
    access: Access, interaction: Interaction, resource_type: str, patients: Iterable[str]
) -> tuple[Group, ...]:
    kind = belongs_to(resource_type).kind
    found: dict[Filters, set[str]] = {}
    for patient in patients:
        filters = judged(access, interaction, resource_type, frozenset((patient,)), kind)
        if filters:
            found.setdefault(filters, set()).add(patient)
    return tuple(Group(frozenset(whose), filters) for filters, whose in found.items())
