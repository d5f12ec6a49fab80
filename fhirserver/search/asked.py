"""A search request as data: what `query.parse` makes of a URL, and the store answers.

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from fhirserver.search.condition import Condition
from fhirserver.search.criterion import AllOf, Chain, Contained, Criterion, Has, InList, walk

DEFAULT_COUNT: Final = 20
MAX_COUNT: Final = 1000

Total = Literal["none", "estimate", "accurate"]
Summary = Literal["true", "text", "data", "count", "false"]
ContainedMode = Literal["false", "true", "both"]
ContainedType = Literal["container", "contained"]
SortBy = Literal["time", "last-updated", "id", "range", "text"]


@dataclass(frozen=True, slots=True)
class SortKey:
    """One level of the order.

    `by` says where the values are: the row's `time`, its last update or its id, the rows of
    `resource_range` of `param` ("range": the least `lo` when ascending, the greatest `hi` when
    descending), or only the resource itself ("text": `order.sort_text`).
    """

    by: SortBy
    descending: bool
    param: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Resources of `type` that meet `where`."""

    type: str
    where: Criterion


@dataclass(frozen=True, slots=True)
class Include:
    """What comes along with the matches.

    Forward: the targets of `param` (None: of every reference parameter) of the `source` resources
    (None: of whatever type they are). With `reverse`: the resources of type `source` (None: of
    every type) whose `param` refers to a match. `target` narrows the type of what is referred to.
    `iterate`: also from what was included.
    """

    source: str | None
    param: str | None
    target: str | None
    iterate: bool
    reverse: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """How much of each resource is returned.

    `contained_type` says whether a match in a contained resource is returned as its "container"
    or by itself.
    """

    summary: Summary = "false"
    elements: tuple[str, ...] = ()
    contained: ContainedMode = "false"
    contained_type: ContainedType = "container"


@dataclass(frozen=True, slots=True)
class Query:
    """The resources of `wanted` (one entry per type), `count` (0..1000) a page.

    `sort` is empty when the caller does not mind. `cursor_key` is the opaque text of the `next`
    link (`_cursor`), which only the store can read. `applied` are the name/value pairs that count,
    for the self link; `ignored` are the names that a lenient request had dropped. `scope` names what
    else the search is confined to, such as a compartment.
    """

    wanted: tuple[Wanted, ...]
    sort: tuple[SortKey, ...] = ()
    count: int = DEFAULT_COUNT
    cursor_key: str | None = None
    includes: tuple[Include, ...] = ()
    total: Total = "none"
    shape: Shape = Shape()
    explain: bool = False
    ignored: tuple[str, ...] = ()
    applied: tuple[tuple[str, str], ...] = ()
    scope: str = ""

    @property
    def type(self) -> str:
        """The one type that is wanted. ValueError when there are several."""
        (only,) = self.wanted
        return only.type

    @property
    def where(self) -> Criterion:
        """What the one type must meet. ValueError when there are several."""
        (only,) = self.wanted
        return only.where

    @property
    def types(self) -> tuple[str, ...]:
        """The types that are wanted."""
        return tuple(one.type for one in self.wanted)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The plain conditions that the one wanted type must all meet."""
        where = self.where
        parts = where.parts if isinstance(where, AllOf) else (where,)
        return tuple(one for one in parts if isinstance(one, Condition))

    @property
    def identity(self) -> str:
        """A text that is the same for every page of one search, and differs between searches."""
        # What changes how a page looks, and not which resources stand on it in which order.
        ignored = ("_cursor", "_count", "_explain", "_total")
        pairs = [pair for pair in self.applied if pair[0] not in ignored]
        return repr((self.scope, self.types, pairs))

    def types_touched(self) -> frozenset[str]:
        """Return every type that the caller named: role rights to read each are required."""
        return frozenset((*self._searched(), *self._included()))

    def types_searched(self) -> frozenset[str]:
        """Return every named type that is looked through, and not only brought along."""
        return frozenset(self._searched())

    def _searched(self) -> Iterator[str]:
        for wanted in self.wanted:
            yield wanted.type
            for one in walk(wanted.where):
                match one:
                    case Chain(branches=branches, named=True):
                        yield from (type_ for type_, _ in branches)
                    case Has(type=type_) | Contained(type=type_):
                        yield type_
                    case InList():
                        yield "List"
                    case _:
                        pass

    def _included(self) -> Iterator[str]:
        for include in self.includes:
            for name in (include.source, include.target):
                if name is not None:
                    yield name
