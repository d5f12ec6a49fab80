"""What a caller asks of one parameter, after parsing: the leaves of a `criterion`.

A `Condition` holds alternatives (the comma-separated values of one parameter). Everything is
frozen data: the store turns it into SQL, `match` evaluates it in memory.

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from fhirserver.definitions.model import SearchType

# "po" (the periods overlap) comes from `_filter` only.
Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "po"]
# The last four come from `_filter` only: a text that is equal, unequal, begins or ends so.
Modifier = Literal[
    "exact",
    "missing",
    "not",
    "contains",
    "text",
    "in",
    "not-in",
    "above",
    "below",
    "of-type",
    "identifier",
    "equals",
    "unequal",
    "begins",
    "ends",
]
# How the store finds the hits: by keys in the blind index (`terms.query_terms`), by the row's own
# time columns or by `resource_range` (both `ranges.query_ranges`), by id, by last update, or not
# at all: "scan" means that nothing is indexed and `match` must decide.
AnsweredBy = Literal["terms", "time", "range", "id", "last-updated", "scan"]


@dataclass(frozen=True, slots=True)
class TokenValue:
    """``system|code``.

    `system` None means any, "" means that there must be none; `code` None means any code of the
    system.
    """

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """`targets`.

    The forms of the wanted target, one of which must be met: ``Type/id``, an absolute URL, a
    canonical with or without ``|version``.
    """

    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StringValue:
    """`text` as given, `normalized` as compared unless the modifier is ``exact``."""

    text: str
    normalized: str


@dataclass(frozen=True, slots=True)
class UriValue:
    """A URI that must be equal, or a canonical without version that any version meets."""

    text: str


@dataclass(frozen=True, slots=True)
class DateValue:
    """A date and how the resource's must lie to it.

    [lo, hi) is the span of the given date in microseconds since 1970-01-01T00:00:00Z.
    """

    prefix: Prefix
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class NumberValue:
    """`value` as given, and the range [lo, hi) that its digits leave open: 100 is [99.5, 100.5)."""

    prefix: Prefix
    value: Decimal
    lo: Decimal
    hi: Decimal


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A number with a unit: `system` None means any.

    `unit` is a code, or without a system also the unit as displayed; None means any unit. Where
    the unit is one of UCUM, `canonical` is the number in the base units `canonical_unit`, and a
    quantity in another unit of the same dimension is compared in them; other units are compared as
    written.
    """

    number: NumberValue
    system: str | None
    unit: str | None
    canonical: NumberValue | None = None
    canonical_unit: str | None = None


@dataclass(frozen=True, slots=True)
class OfTypeValue:
    """An identifier of a type: ``system|code`` of `Identifier.type`, and the identifier's value."""

    system: str
    code: str
    value: str


class Members(Protocol):
    """The codes of a value set."""

    def contains(self, system: str | None, code: str) -> bool:
        """Whether a code is in it; `system` None means any."""
        ...

    @property
    def complete(self) -> bool:
        """Whether all codes can be listed."""
        ...

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Go through (system, code)."""
        ...

    def __len__(self) -> int:
        """Return how many there are."""
        ...


@dataclass(frozen=True, slots=True)
class MembersValue:
    """A value set that is too large to list, or cannot be listed; asked code by code."""

    url: str
    members: Members = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class IdValue:
    """A resource id."""

    id: str


Value = (
    TokenValue
    | ReferenceValue
    | StringValue
    | UriValue
    | DateValue
    | NumberValue
    | QuantityValue
    | IdValue
    | OfTypeValue
    | MembersValue
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One parameter as given: any of `values` must be met.

    `param` is the parameter's code without modifier. With `modifier` "missing" there are no values
    and `missing` says which is wanted. `negated` turns the whole condition around (``:not``,
    ``:not-in`` and ``:missing=true``): a resource without any value then meets it. The values of
    ``in``, ``above`` and ``below`` on tokens are the codes themselves, as far as they can be listed.
    """

    param: str
    type: SearchType
    modifier: Modifier | None
    values: tuple[Value, ...]
    answered_by: AnsweredBy
    missing: bool | None = None

    @property
    def negated(self) -> bool:
        """Whether the condition asks for resources that have none of the terms."""
        return self.modifier in ("not", "not-in") or self.missing is True
