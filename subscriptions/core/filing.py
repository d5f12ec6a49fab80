"""Under which keys a Subscription is filed, so that a change finds it without asking all of them.

A Subscription is filed once for each resource type it speaks of: under its most selective equality
filter (``patient=Patient/1``), or under the type alone where it has none. Everything else it demands
is tested on those few that a change finds. Keys are texts here; the store keeps keyed hashes.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from fhirserver.kernel.resource import Json
from subscriptions.core.filter_criteria import Demand, Equality
from subscriptions.core.topic import Facts, Topic

_APART: Final = "\x1f"
_ANY: Final = ""


@dataclass(frozen=True, slots=True)
class Filing:
    """How one demand is filed.

    `keys`: any of them finds it. `anchor` is the name of the filter they are values of, None where
    it is filed under its type. `required`: of each filter named, one of the keys must be among those
    of the change. `residual`: conditions to be tested on the resource itself.
    """

    type: str
    keys: tuple[str, ...]
    anchor: str | None
    required: tuple[tuple[str, tuple[str, ...]], ...]
    residual: tuple[str, ...]


def filing(topic: Topic, demand: Demand) -> Filing:
    """Return how a Subscription to `topic` with this demand is filed."""
    type_ = demand.type or _ANY
    anchor = min(demand.equal, key=_fineness, default=None)
    others = [one for one in demand.equal if one is not anchor]
    return Filing(
        type=type_,
        keys=((type_key(topic.url, type_),) if anchor is None else _keys(topic.url, type_, anchor)),
        anchor=None if anchor is None else anchor.parameter,
        required=tuple((one.parameter, _keys(topic.url, type_, one)) for one in others),
        residual=demand.residual,
    )


def type_key(topic: str, type_: str) -> str:
    """Return the key of Subscriptions to `topic` that are filed under no filter; "" is any type."""
    return _APART.join((topic, type_, "", ""))


def value_key(topic: str, type_: str, parameter: str, value: str) -> str:
    """Return the key of those that want `value` of a filter."""
    return _APART.join((topic, type_, parameter, value))


def keys_of_change(
    topic: Topic, resource: Json, names: AbstractSet[str], facts: Facts
) -> frozenset[str]:
    """Return the keys of the values that a changed resource has of the filters `names`.

    With them those of Subscriptions to `topic` that are filed under no filter.
    """
    type_ = str(resource["resourceType"])
    values = topic.values(resource, names, facts) if names else {}
    return frozenset(
        (
            type_key(topic.url, _ANY),
            type_key(topic.url, type_),
            *(value_key(topic.url, type_, name, one) for name in values for one in values[name]),
        )
    )


def _keys(topic: str, type_: str, equality: Equality) -> tuple[str, ...]:
    values = sorted(equality.values)
    return tuple(value_key(topic, type_, equality.parameter, value) for value in values)


def _fineness(equality: Equality) -> tuple[int, int, str]:
    return equality.selectivity, len(equality.values), equality.parameter
