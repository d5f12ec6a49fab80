"""What random searches go by besides the resources: lists, value sets, parameters worth asking for."""

from collections.abc import Iterable, Iterator

from tests.properties.search_requests import LARGE_VALUE_SET, VALUE_SET
from tests.properties.search_samples import RESOURCES

LISTS = {"l1": ("Patient/ann", "Observation/bob", "Flag/cy"), "l2": ("Patient/bob",)}


class Codes:
    """A value set; the large one cannot be listed."""

    def __init__(self, codes: Iterable[tuple[str, str]], *, complete: bool) -> None:
        self._codes = sorted(codes)
        self.complete = complete

    def contains(self, system: str | None, code: str) -> bool:
        return (system, code) in self._codes

    def __iter__(self) -> Iterator[tuple[str, str]]:
        assert self.complete
        return iter(self._codes)

    def __len__(self) -> int:
        return len(self._codes)


class Terminology:
    """Two value sets, and a code system in which every code lies above ``a``."""

    def members(self, value_set: str) -> Codes | None:
        codes = [("urn:z", "a"), ("urn:z", "A"), ("urn:x|y", "a|b")]
        complete = {VALUE_SET: True, LARGE_VALUE_SET: False}.get(value_set)
        return None if complete is None else Codes(codes, complete=complete)

    def missing(self, value_set: str) -> str:
        return f"{value_set} is not loaded"

    def descendants(self, system: str, code: str) -> frozenset[str] | None:
        return frozenset((code, "a")) if system == "urn:z" else None

    def ancestors(self, system: str, code: str) -> frozenset[str] | None:
        return frozenset((code, "A")) if system == "urn:z" else None


def _filled(type_: str) -> set[str]:
    """The parameters that the random resources of a type can have values for."""
    common = {"_id", "_lastUpdated", "_profile", "_tag", "_security", "_source", "identifier"}
    own = {
        "AuditEvent": "type subtype action outcome date agent altid agent-name agent-role address source entity patient "
        "entity-type entity-role",
        "Observation": "status code combo-code component-code subject patient focus date "
        "value-quantity combo-value-quantity component-value-quantity value-concept "
        "combo-value-concept value-string value-date data-absent-reason",
        "Patient": "name family given phonetic telecom phone email gender birthdate death-date "
        "deceased general-practitioner",
        "Encounter": "subject patient date length class",
        "Task": "subject patient owner authored-on period status",
        "Flag": "subject patient date",
        "CareTeam": "subject patient date category participant",
        "ServiceRequest": "subject patient instantiates-canonical instantiates-uri occurrence",
        "Condition": "subject patient onset-age onset-date",
        "RiskAssessment": "subject patient probability",
    }
    if type_ == "AuditEvent":
        common.discard("identifier")
    return common | set(own[type_].split())


PARAMETERS = {type_: _filled(type_) for type_ in RESOURCES}
