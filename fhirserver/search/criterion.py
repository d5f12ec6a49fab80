"""The tree of what a resource must meet: conditions, joined, negated and followed along references.

Every parameter of a request is one criterion; `_filter` is a tree of them. A criterion is always
about resources of one type, which its place in the tree says: the type of `Wanted`, of a branch of
`Chain`, of `Has` or of `Contained`.

Spec: https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/search_filter.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from fhirserver.search.condition import Condition


@dataclass(frozen=True, slots=True)
class Composite:
    """A composite parameter: all parts of one alternative must be met by one and the same element.

    Each part of an alternative is a condition (with a single value) on the parameter that the
    composite names for it; met by the resource as a whole they are necessary (`prefilter`), and
    also sufficient where `exact`: the composite is about single elements of the resource itself.
    """

    param: str
    alternatives: tuple[tuple[Condition, ...], ...]
    exact: bool

    @property
    def prefilter(self) -> "Criterion":
        """Return what every hit meets, without regard to which element meets it."""
        return AnyOf(tuple(AllOf(parts) for parts in self.alternatives))


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference through `param` leads to a resource that meets the criterion of its type.

    `branches` are (target type, criterion). `named` says that the caller named the type; otherwise
    the branches are all targets for which the rest of the chain means something, and those that
    the caller may not read simply do not count.
    """

    param: str
    branches: tuple[tuple[str, "Criterion"], ...]
    named: bool


@dataclass(frozen=True, slots=True)
class Has:
    """A resource of `type` that meets `inner` refers to this one through its `param`."""

    type: str
    param: str
    inner: "Criterion"


@dataclass(frozen=True, slots=True)
class InList:
    """The resource is an item of the List with this id, which the caller must be able to read."""

    id: str


@dataclass(frozen=True, slots=True)
class Near:
    """The position is at most `kilometres` from a point given in degrees (WGS84)."""

    param: str
    latitude: Decimal
    longitude: Decimal
    kilometres: Decimal


@dataclass(frozen=True, slots=True)
class FullText:
    """`words` (normalized) stand one after the other in the narrative or in all of the text."""

    param: Literal["_text", "_content"]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contained:
    """A contained resource of `type` meets `inner`."""

    type: str
    inner: "Criterion"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part is met; with no parts, always."""

    parts: tuple["Criterion", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part is met; with no parts, never."""

    parts: tuple["Criterion", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`inner` is not met."""

    inner: "Criterion"


Criterion = (
    Condition | Composite | Chain | Has | InList | Near | FullText | Contained | AllOf | AnyOf | Not
)


def leaves(criterion: Criterion) -> Iterator[Criterion]:
    """Go through every criterion of the tree that has no others inside, of whatever type."""
    for one in walk(criterion):
        if not isinstance(one, AllOf | AnyOf | Not | Chain | Has | Contained):
            yield one


def walk(criterion: Criterion) -> Iterator[Criterion]:
    """Go through the criterion and all others inside, outer ones first."""
    yield criterion
    for inner in children(criterion):
        yield from walk(inner)


def children(criterion: Criterion) -> tuple[Criterion, ...]:
    """Return the criteria directly inside; the parts of a composite are its own."""
    match criterion:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return parts
        case Not(inner=inner) | Has(inner=inner) | Contained(inner=inner):
            return (inner,)
        case Chain(branches=branches):
            return tuple(inner for _, inner in branches)
        case _:
            return ()
