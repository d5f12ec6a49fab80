"""``:above`` and ``:below`` on references to what is part of its own kind, such as locations.

Both are other searches written short: below a location are what refers to it, and to locations
that are part of it, and of those, to a bounded depth.

Spec: https://hl7.org/fhir/R4/search.html#recursive
"""

from typing import Final

from fhirserver.definitions.model import SearchParameter
from fhirserver.search.condition import Condition, IdValue, ReferenceValue
from fhirserver.search.criterion import AnyOf, Chain, Criterion, Has
from fhirserver.search.escape import unescape
from fhirserver.search.modifiers import HIERARCHIES, hierarchy_targets
from fhirserver.search.value import ID, RefusedError

# Levels between the place that is asked for and the one that is referred to.
HIERARCHY_DEPTH: Final = 5


def along_hierarchy(parameter: SearchParameter, modifier: str, text: str) -> Criterion:
    """Return the criterion for ``id`` or ``Type/id`` and all above or below it."""
    targets = hierarchy_targets(parameter.target)
    type_, _, id_ = unescape(text).rpartition("/")
    if (type_ and type_ not in targets) or ID.fullmatch(id_) is None:
        raise RefusedError(f"expected id or Type/id of one of {', '.join(targets)}")
    found: list[Criterion] = []
    for target in (type_,) if type_ else targets:
        part_of, own = HIERARCHIES[target], f"{target}/{id_}"
        found.append(_refers(parameter.code, own))
        if modifier == "below":
            inner = _below(part_of, target, own)
        else:
            is_it = Condition("_id", "token", None, (IdValue(id_),), "id")
            inner = _above(part_of, target, is_it)
        found.append(Chain(parameter.code, ((target, inner),), named=True))
    return AnyOf(tuple(found))


def _below(part_of: str, type_: str, own: str) -> Criterion:
    inner: Criterion = _refers(part_of, own)
    for _ in range(HIERARCHY_DEPTH - 1):
        further = Chain(part_of, ((type_, inner),), named=True)
        inner = AnyOf((_refers(part_of, own), further))
    return inner


def _above(part_of: str, type_: str, is_it: Criterion) -> Criterion:
    inner: Criterion = Has(type_, part_of, is_it)
    for _ in range(HIERARCHY_DEPTH - 1):
        inner = Has(type_, part_of, AnyOf((is_it, inner)))
    return inner


def _refers(param: str, own: str) -> Condition:
    return Condition(param, "reference", None, (ReferenceValue((own,)),), "terms")
