"""What a caller asks for, parameter by parameter, after parsing.

A `Condition` holds alternatives (the comma-separated values of one parameter); all conditions of a
query must hold. Everything is frozen data: the store turns it into SQL, `match` evaluates it in
memory.

Spec: https://hl7.org/fhir/R4/search.html
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from fhirserver.definitions.model import SearchType

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
Modifier = Literal["exact", "missing", "not"]
# How the store finds the hits: by keys in the blind index (`terms.query_terms`), by the row's own
# time columns or by `resource_range` (both `ranges.query_ranges`), by id, or by last update.
AnsweredBy = Literal["terms", "time", "range", "id", "last-updated"]


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

    `unit` is a code, or without a system also the unit as displayed; None means any unit. Units are
    compared as written, not converted.
    """

    number: NumberValue
    system: str | None
    unit: str | None


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
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One parameter as given: any of `values` must be met.

    `param` is the parameter's code without modifier. With `modifier` "missing" there are no values
    and `missing` says which is wanted. `negated` turns the whole condition around (``:not`` and
    ``:missing=true``): a resource without any value then meets it.
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
        return self.modifier == "not" or self.missing is True
